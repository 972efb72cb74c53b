import { writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { ApiError } from "../../protocol/errors.ts";
import { adviceFor } from "../advice.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { type Check, type Finding, MACHINE_CHECKS } from "../doctor/checks.ts";
import { GATEWAY_CHECKS } from "../doctor/gateway-checks.ts";
import { addReach } from "../endpoint/deploy/command.ts";
import type { ReachOptions } from "../endpoint/deploy/connect.ts";
import { EXIT } from "../exit-codes.ts";
import { durationMs } from "../options.ts";
import { describeError } from "../output/errors.ts";

type DoctorOptions = ReachOptions & {
  site?: string;
  name?: string;
  write?: string;
  endpoint?: string;
  wait: number;
  yes?: boolean;
};

const MARKS = { ok: ["✓", "green"], warning: ["!", "yellow"], wrong: ["✗", "red"] } as const;

/** `farcall doctor`: looks at everything that commonly goes wrong and says what to do. */
export function registerDoctor(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: "doctor",
    summary: "check this machine, the profile, the gateway and the endpoints, and say what to do",
    about:
      "The exit code is 0 when nothing is wrong; warnings do not count. With --endpoint a task runs on a node; where no block runs one is asked for, after a question.",
    examples: [
      ["farcall doctor", "all checks"],
      ["farcall doctor --site me@login.example.edu", "what a site is, and a configuration for it"],
      ["farcall doctor --site here --write cluster.yaml", "the same of the machine that it runs on"],
      ["farcall endpoint configure cluster --config cluster.yaml", "what to do with that"],
      ["farcall doctor --endpoint cluster", "look at a compute node, by a small task"],
    ],
  })
    .option("--site <target>", "look at a site over SSH instead: [user@]host[:port]; `here` for this machine")
    .option("--name <name>", "the endpoint's name in the configuration that --site prints");
  command
    .option("--write <file>", "with --site: write the configuration there, too")
    .option("-e, --endpoint <name>", "look at a node of an endpoint instead, by a small task that runs there")
    .addOption(
      new Option("--wait <duration>", "with --endpoint: how long the task may wait for a node")
        .argParser(durationMs)
        .default(600_000, "10m"),
    )
    .option("--yes", "with --endpoint: ask for a block without being asked");
  addReach(command).action(async (options: DoctorOptions) => {
    if (options.site !== undefined) return doctorSite(context, options.site, options);
    if (options.endpoint !== undefined) return doctorNode(context, options.endpoint, options);
    const findings: Finding[] = [];
    const take = (finding: Finding) => {
      findings.push(finding);
      if (!options.json) show(context, finding);
    };
    for (const check of MACHINE_CHECKS) take(await lookAt(check, context));
    for (const check of GATEWAY_CHECKS) {
      const finding = await lookAt(check, context);
      take(finding);
      if (finding.state === "wrong") break;
    }
    const wrong = findings.filter((finding) => finding.state === "wrong").length;
    if (wrong > 0) context.exit(EXIT.machine);
    if (options.json) context.terminal.json({ ok: wrong === 0, findings });
  });
}

async function doctorSite(context: CliContext, target: string, options: DoctorOptions): Promise<void> {
  // SSH is loaded by those who use it.
  const { examineSite } = await import("../doctor/site.ts");
  const { findings, config, facts, queues } = await examineSite(context, target, options);
  const ok = findings.every((finding) => finding.state !== "wrong");
  if (!ok) context.exit(EXIT.machine);
  if (options.write !== undefined) keep(options.write, config);
  if (options.json) return context.terminal.json({ ok, findings, facts, ...queues, config });
  for (const finding of findings) show(context, finding);
  const file = options.write ?? "<file>";
  const use =
    target === "here"
      ? `farcall endpoint configure <name> --config ${file}`
      : `farcall endpoint deploy ${target} --config ${file}`;
  context.terminal.line(`\n# a configuration for it: ${use}\n${config.trimEnd()}`);
}

function keep(file: string, config: string): void {
  try {
    writeFileSync(file, config, { mode: 0o600 });
  } catch (cause) {
    throw new ApiError("BAD_REQUEST", `--write: ${(cause as Error).message}`, { cause });
  }
}

async function doctorNode(context: CliContext, name: string, options: DoctorOptions): Promise<void> {
  const { examineNode } = await import("../doctor/node.ts");
  const findings = await examineNode(context, name, options);
  if (options.json) return context.terminal.json({ ok: true, findings });
  for (const finding of findings) show(context, finding);
}

async function lookAt(check: Check, context: CliContext): Promise<Finding> {
  try {
    return { check: check.name, ...(await check.look(context)) };
  } catch (error) {
    const { code, message, next } = describeError(error, adviceFor(error, context.env));
    return { check: check.name, state: "wrong", found: `${code}: ${message}`, next };
  }
}

function show({ terminal }: CliContext, { check, state, found, next }: Finding): void {
  const [mark, colour] = MARKS[state];
  terminal.line(`${terminal.style(colour, mark)} ${check.padEnd(15)} ${found}`);
  if (next) terminal.line(`  ${" ".repeat(15)} ${next}`);
}
