import type { Command } from "commander";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { type Check, type Finding, MACHINE_CHECKS } from "../doctor/checks.ts";
import { GATEWAY_CHECKS } from "../doctor/gateway-checks.ts";
import { EXIT } from "../exit-codes.ts";
import { describeError } from "../output/errors.ts";

const MARKS = { ok: ["✓", "green"], warning: ["!", "yellow"], wrong: ["✗", "red"] } as const;

/** `farcall doctor`: looks at everything that commonly goes wrong and says what to do. */
export function registerDoctor(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "doctor",
    summary: "check this machine, the profile, the gateway and the endpoints, and say what to do",
    about: "The exit code is 0 when nothing is wrong; warnings do not count.",
    examples: [["farcall doctor", "all checks"]],
  }).action(async (options: { json?: boolean }) => {
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

async function lookAt(check: Check, context: CliContext): Promise<Finding> {
  try {
    return { check: check.name, ...(await check.look(context)) };
  } catch (error) {
    const { code, message, next } = describeError(error);
    return { check: check.name, state: "wrong", found: `${code}: ${message}`, next };
  }
}

function show({ terminal }: CliContext, { check, state, found, next }: Finding): void {
  const [mark, colour] = MARKS[state];
  terminal.line(`${terminal.style(colour, mark)} ${check.padEnd(15)} ${found}`);
  if (next) terminal.line(`  ${" ".repeat(15)} ${next}`);
}
