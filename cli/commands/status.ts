import type { Command } from "commander";
import { directoriesOf } from "../../deploy/directories.ts";
import { layoutOf } from "../../deploy/layout.ts";
import { findRunning, type RunningPart, type RunningUp, unattendedParts } from "../../deploy/up/running.ts";
import type { EndpointView } from "../../protocol/endpoint.ts";
import { adviceFor } from "../advice.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { troubleLines } from "../endpoint/status-text.ts";
import { EXIT, exitCodeOf } from "../exit-codes.ts";
import { describeError, errorLines, type ShownError } from "../output/errors.ts";
import type { Column } from "../output/table.ts";
import { count, duration, oneLine } from "../output/text.ts";

type GatewayFacts = {
  version: string;
  durability: string;
  owner: string;
  counts: Record<string, number>;
  cappedAt: number;
  endpoints: EndpointView[];
};
type Status = {
  up: RunningUp | null;
  /** parts that outlived their `up` */
  unattended: string[];
  gateway: GatewayFacts | null;
  error: ShownError | null;
};

/** `farcall status`: what runs here, whether the gateway answers, which endpoints and tasks there are. */
export function registerStatus(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "status",
    summary: "show what runs on this machine, the gateway, its endpoints and tasks",
    about: "The exit code says whether the gateway answers.",
    examples: [
      ["farcall status", "for people"],
      ["farcall status --json | jq .gateway.counts", "tasks by state"],
    ],
  }).action(async (options: { json?: boolean }) => {
    const layout = layoutOf(directoriesOf(context.env).state);
    const running = findRunning(layout) ?? null;
    const unattended = unattendedParts(layout);
    let status: Status;
    let failure: unknown;
    try {
      status = { up: running, unattended, gateway: await gatewayFacts(context), error: null };
    } catch (error) {
      failure = error;
      status = { up: running, unattended, gateway: null, error: describeError(error, adviceFor(error, context.env)) };
      context.exit(exitCodeOf(error) === EXIT.usage ? EXIT.unreachable : exitCodeOf(error));
    }
    if (options.json) return context.terminal.json(status);
    show(context, status, failure);
  });
}

async function gatewayFacts(context: CliContext): Promise<GatewayFacts> {
  const farcall = await context.connect();
  const me = await farcall.call("me");
  const [tasks, endpoints] = await Promise.all([farcall.tasks.counts(), farcall.endpoints.list({ limit: 1000 })]);
  const { version, durability, owner } = me;
  return { version, durability, owner, counts: tasks.counts, cappedAt: tasks.cappedAt, endpoints: endpoints.items };
}

function show({ terminal, env }: CliContext, { up, unattended, gateway }: Status, failure: unknown): void {
  if (up) {
    terminal.line(`up: ${up.state}, process ${up.pid}, for ${duration(Date.now() - up.startedAt)}, ${up.url ?? ""}`);
    terminal.table(up.parts, PART_COLUMNS);
  } else if (unattended.length > 0) {
    terminal.line(`up: it was killed; ${unattended.join(", ")} run unattended (\`farcall up\` takes over)`);
  } else {
    terminal.line("up: nothing runs here (`farcall up` starts it)");
  }
  terminal.line();
  if (!gateway) {
    for (const line of errorLines(failure, false, adviceFor(failure, env))) terminal.note(line);
    return;
  }
  terminal.line(
    `gateway: answers, version ${gateway.version}, durability ${gateway.durability}, you are ${oneLine(gateway.owner)}`,
  );
  terminal.line(`tasks: ${tasksLine(gateway)}`);
  terminal.line();
  if (gateway.endpoints.length === 0) terminal.line("no endpoints; `farcall endpoint configure` makes one");
  else terminal.table(gateway.endpoints, ENDPOINT_COLUMNS);
}

function tasksLine({ counts, cappedAt }: GatewayFacts): string {
  const shown = Object.entries(counts).filter(([, value]) => value > 0);
  const text = (value: number) => (value >= cappedAt ? `${count(cappedAt)} or more` : count(value));
  return shown.length === 0 ? "none" : shown.map(([state, value]) => `${text(value)} ${state}`).join(", ");
}

const PART_COLUMNS: Column<RunningPart>[] = [
  { title: "PART", value: (part) => part.name },
  { title: "STATE", value: (part) => part.state },
  { title: "PID", value: (part) => part.pid ?? "", align: "right" },
  { title: "RESTARTS", value: (part) => part.restarts, align: "right" },
  { title: "TROUBLE", value: (part) => part.trouble ?? "", min: 8 },
];

function troubleOf({ summary }: EndpointView): string {
  if (!summary) return "";
  const lines = troubleLines(summary, Date.now()).map((line) => line.replace(/^trouble: /, ""));
  return lines.join("; ");
}

const ENDPOINT_COLUMNS: Column<EndpointView>[] = [
  { title: "ENDPOINT", value: (row) => row.name, min: 8 },
  { title: "STATE", value: (row) => row.state },
  { title: "SLOTS", value: (row) => row.summary?.slots ?? "", align: "right" },
  { title: "BUSY", value: (row) => row.summary?.busy ?? "", align: "right" },
  { title: "BLOCKS", value: (row) => row.summary?.blocks.length ?? "", align: "right" },
  { title: "QUEUED", value: (row) => count(row.queued), align: "right" },
  { title: "RUNNING", value: (row) => count(row.running), align: "right" },
  { title: "TROUBLE", value: troubleOf, min: 10 },
];
