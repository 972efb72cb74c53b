/** A worker process for JavaScript functions. Started by a manager, which passes descriptors 3 to 5, or the directory of named pipes (worker-frames.ts). */
import fs from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import type { ManagerToWorker } from "../../protocol/worker-frames.ts";
import { createCalls } from "./calls.ts";
import { openChannel } from "./channel.ts";
import { failureOf } from "./failures.ts";
import { watchOutput } from "./output-watch.ts";
import { createRunner, type TaskEnd } from "./runner.ts";
import { createTaskEnvironment } from "./task-environment.ts";
import { createTraces } from "./traces.ts";

type Setup = ManagerToWorker & { kind: "setup" };

const { readFileSync, writeFileSync } = fs;
// It is this program's, not the user's.
delete process.env.NODE_COMPILE_CACHE;
const exit: (code: number) => never = process.exit.bind(process);
const channel = openChannel(process.argv.splice(2, 1)[0]);
const output = watchOutput();
const environment = createTaskEnvironment();
const calls = createCalls();
const traces = createTraces();
let setup: Setup | undefined;

const runner = createRunner({
  calls,
  permit: channel.permit,
  readFile: (file) => readFileSync(file),
  enter: (call) => environment.enter(call.env),
  during: traces.during,
  report,
  stuck: (n, awaits) => say({ kind: "stuck", n, ...(awaits ? { awaits } : {}) }),
  broken,
});

channel.listen(onFrame, (event) => {
  if (event === "end") exit(0);
  if (event === "garbage" && setup && !runner.current()) broken("what came was no frame");
  if (event === "garbage") exit(1);
  runner.pump();
});

// An error that escapes from a task's timers or promises ends that task with its own message; the process is not used again.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  traces.keep(event, (error: unknown) => {
    const task = runner.current();
    const owner = traces.owner();
    // A task that has ended is nobody's any more, and what it left must not cost another one.
    if (owner && owner !== task) return;
    if (task) report({ n: task.n, ms: 0, failure: failureOf(error) });
    exit(1);
  });
}

function say(frame: Record<string, unknown>): void {
  channel.write(JSON.stringify({ ...frame, token: (setup as Setup).token }), undefined);
}

/** The manager places elsewhere what is here and was not started. */
function broken(what: string): never {
  say({ kind: "broken", what });
  exit(1);
}

function onFrame(frame: ManagerToWorker, body: Uint8Array): void {
  if (frame.kind === "tasks") {
    let offset = 0;
    for (const task of frame.tasks) {
      const length = task.length ?? 0;
      runner.hold(Object.assign(task, { body: body.subarray(offset, offset + length) }));
      offset += length;
    }
  } else if (frame.kind === "call") {
    calls.add(frame);
  } else if (frame.kind === "sent") {
    runner.sent(frame.n);
  } else if (frame.kind === "setup") {
    setup = frame;
    const ready = {
      kind: "ready",
      token: frame.token,
      runtime: "javascript",
      version: process.version,
      pid: process.pid,
    };
    channel.write(JSON.stringify(ready), undefined);
    // Now: few workers come to an orderly end.
    flushCompileCache();
  }
}

function report({ n, ms, failure, encoding, bytes }: TaskEnd): void {
  traces.clear();
  const { token, mark, dir, inlineLimit, blobLimit } = setup as Setup;
  const size = bytes?.length ?? 0;
  if (size > blobLimit) {
    failure = { code: "RESULT_TOO_LARGE", message: `the result has ${size} bytes; the limit is ${blobLimit}` };
    bytes = undefined;
  }
  // By hand: most results need nothing that would have to be escaped.
  let header = `{"n":${n},"token":"${token}","ms":${ms.toFixed(3)}`;
  if (encoding && encoding !== "json") header += `,"encoding":"${encoding}"`;
  if (bytes && size > inlineLimit) {
    const file = `result-${n}`;
    writeFileSync(join(dir, file), bytes, { mode: 0o600 });
    header += `,"file":"${file}","size":${size}`;
    bytes = undefined;
  }
  if (failure) header += `,"failure":${JSON.stringify(failure)}`;
  if (output.mark(`${mark}${n.toString(16).padStart(8, "0")}\n`)) header += ',"marked":true';
  if (output.children()) header += ',"children":true';
  channel.write(`${header}}`, bytes);
}
