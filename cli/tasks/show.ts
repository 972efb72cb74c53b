/** `farcall tasks show`. */

import { ERRORS } from "../../protocol/errors.ts";
import type { TaskDetail } from "../../protocol/operations.ts";
import type { Attempt } from "../../protocol/task.ts";
import type { CliContext } from "../context.ts";
import { gatewayNow } from "../gateway-clock.ts";
import type { Column } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import { age, byteSize, duration, moment, oneLine, plain } from "../output/text.ts";
import { ranFor } from "./list.ts";

/** Prints everything that is known of a task. */
export async function showTask(
  { connect, terminal }: CliContext,
  id: string,
  options: { json?: boolean },
): Promise<void> {
  const farcall = await connect();
  const task = await farcall.tasks.get(id);
  if (options.json) return terminal.json(task);
  const now = await gatewayNow(farcall);
  terminal.line(`${terminal.style("bold", task.id)}  ${task.state}`);
  for (const [name, value] of factsOf(task, now)) terminal.line(`  ${name.padEnd(10)} ${value}`);
  if (task.waits) {
    terminal.line();
    terminal.line(terminal.style("yellow", `It waits: ${oneLine(task.waits.message)}`));
  }
  showFailure(task, terminal);
  if (task.attempts.length > 0) {
    terminal.line();
    terminal.table(task.attempts, attemptColumns(now));
  }
}

function factsOf(task: TaskDetail, now: number): [string, string][] {
  const facts: [string, string | null][] = [
    ["function", `${oneLine(task.functionName)} (${task.function.slice(0, 12)}…)`],
    ["endpoint", oneLine(task.endpointName)],
    ["group", task.group?.startsWith("_") ? null : task.group && oneLine(task.group)],
    ["priority", task.priority === 0 ? null : String(task.priority)],
    ["submitted", `${moment(task.submittedAt)}, ${age(task.submittedAt, now)}`],
    ["started", task.startedAt && moment(task.startedAt)],
    ["ended", task.endedAt && moment(task.endedAt)],
    ["ran", ranFor(task, now) || null],
    ["expires", task.endedAt === null ? `in ${duration(Math.max(0, task.expiresAt - now))}` : null],
    ["retry at", task.retryAt && moment(task.retryAt)],
    ["retry of", task.retryOf],
    ["timeout", task.spec.timeoutMs === undefined ? null : duration(task.spec.timeoutMs)],
    ["result", task.resultSize === null ? null : `${byteSize(task.resultSize)}, ${task.resultEncoding}`],
  ].map(([name, value]) => [name as string, value === null ? null : String(value)]);
  return facts.filter((fact): fact is [string, string] => fact[1] !== null);
}

function showFailure(task: TaskDetail, terminal: Terminal): void {
  const { failure } = task;
  if (!failure) return;
  terminal.line();
  const type = failure.type ? `${oneLine(failure.type)}: ` : "";
  const words = `${failure.code}: ${type}${plain(failure.message)}`;
  if (task.endedAt === null) {
    // Of an attempt before the one that waits or runs now; what to do about it was done.
    terminal.line(terminal.style("yellow", `Its last attempt ended: ${words}`));
    return;
  }
  terminal.line(terminal.style("red", words));
  if (failure.stack) for (const line of plain(failure.stack).trimEnd().split("\n")) terminal.line(`  │ ${line}`);
  terminal.line(`  ${ERRORS[failure.code].next}`);
}

function attemptColumns(now: number): Column<Attempt>[] {
  return [
    { title: "ATTEMPT", value: (row) => row.attempt, align: "right" },
    { title: "STARTED", value: (row) => (row.startedAt === null ? "" : moment(row.startedAt)), min: 12 },
    { title: "RAN", value: (row) => ranFor(row, now), align: "right" },
    { title: "ENDED", value: (row) => row.reason ?? (row.endedAt === null ? "runs" : "well"), min: 8 },
    { title: "WORKER", value: (row) => row.worker ?? "", min: 6 },
    { title: "MESSAGE", value: (row) => row.message ?? "", min: 10 },
  ];
}
