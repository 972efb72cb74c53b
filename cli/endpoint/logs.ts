import { createReadStream, existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { directoriesOf } from "../../deploy/directories.ts";
import { layoutOf } from "../../deploy/layout.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { localEndpoint } from "./directory.ts";
import { type EndpointLogOptions, printLogLine } from "./log-lines.ts";

const POLL_MS = 250;
/** A log's end is looked for in so much of it. */
const TAIL_BYTES = 4 * 1024 * 1024;

/** `farcall endpoint logs`: the end of the agent's log, and what is added to it. */
export async function showEndpointLog(context: CliContext, name: string, options: EndpointLogOptions): Promise<void> {
  const endpoint = localEndpoint(context.env, name);
  const own = endpointLayout(endpoint.dir).log;
  // An agent that `farcall up` brought along logs where its other parts do.
  const ofUp = layoutOf(directoriesOf(context.env).state).log(`agent-${name}`);
  const logs = [own, ofUp].filter((path) => existsSync(path));
  logs.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  const log = logs[0];
  if (log === undefined) throw new ApiError("NOT_FOUND", `endpoint ${name} has no log yet; its agent never ran`);
  let offset = await printEnd(context, log, options);
  while (options.follow && !context.signal.aborted) {
    await sleep(POLL_MS, undefined, { signal: context.signal }).catch(() => {});
    const { size } = statSync(log);
    if (size < offset) offset = 0;
    if (size > offset) await print(context, createReadStream(log, { start: offset, end: size - 1 }), options);
    offset = size;
  }
}

async function printEnd(context: CliContext, log: string, options: EndpointLogOptions): Promise<number> {
  const { size } = statSync(log);
  const file = await open(log);
  try {
    const length = Math.min(size, TAIL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.toString("utf8").split("\n");
    if (lines.at(-1) === "") lines.pop();
    for (const line of lines.slice(-options.lines)) printLogLine(context, line, options);
  } finally {
    await file.close();
  }
  return size;
}

async function print(context: CliContext, stream: AsyncIterable<Buffer>, options: EndpointLogOptions): Promise<void> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) printLogLine(context, line, options);
  }
  if (rest !== "") printLogLine(context, rest, options);
}
