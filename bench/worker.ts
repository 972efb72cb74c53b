/**
 * Workers alone: no-op tasks through one worker process, without manager or agent. `node bench/worker.ts [--json]`
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntimes } from "../endpoint-agent/manager/runtimes.ts";
import { startWorkerProcess, type WorkerCommand } from "../endpoint-agent/manager/worker-process.ts";
import type { WorkerResult } from "../protocol/worker-frames.ts";

const TASKS = 200_000;
const HOLD = 64;
const REFILL = 32;
const ARGUMENTS = new TextEncoder().encode("[1]");

const dir = mkdtempSync(join(tmpdir(), "farcall-bench-"));
const runtimes = createRuntimes({ python: "python3", compileCache: join(dir, "compiled"), onRetry() {} });
const codes = {
  javascript: { file: join(dir, "noop.mjs"), entry: "default", text: "export default (x) => x;\n" },
  python: { file: join(dir, "noop.py"), entry: "noop", text: "def noop(x):\n    return x\n" },
};

/** Runs `count` no-ops and returns how many a second. */
function measure(runtime: keyof typeof codes, count: number): Promise<number> {
  const { file, entry, text } = codes[runtime];
  writeFileSync(file, text);
  const command: WorkerCommand = runtimes.commandOf(runtime, { memoryMb: 0, inImage: false });
  return new Promise((resolve, reject) => {
    let sent = 0;
    let done = 0;
    let startedAt = 0;
    const refill = () => {
      const size = Math.min(HOLD - (sent - done), count - sent);
      if (size <= 0) return;
      const numbers = Array.from({ length: size }, (_, i) => sent + i + 1);
      sent += size;
      worker.permits.grant(numbers);
      const tasks = numbers.map((n) => ({
        n,
        id: "0190b8a0-0000-7000-8000-000000000000",
        call: 1,
        attempt: 0,
        length: 3,
      }));
      worker.send(
        { kind: "tasks", tasks },
        numbers.map(() => ARGUMENTS),
      );
    };
    const worker = startWorkerProcess(
      {
        command,
        dir: join(dir, `${runtime}-${count}`),
        uploads: dir,
        env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "" },
        onRead() {},
        output: { headBytes: 1024, tailBytes: 1024 },
        byName: false,
      },
      {
        onFrame({ header }) {
          if ("kind" in (header as object)) {
            worker.send({ kind: "call", call: 1, file, entry });
            startedAt = performance.now();
            refill();
            return;
          }
          const { failure } = header as WorkerResult;
          if (failure) reject(new Error(failure.message));
          done++;
          if (sent - done <= REFILL) refill();
          if (done < count) return;
          worker.finish();
          resolve(count / ((performance.now() - startedAt) / 1000));
        },
        onGarbage: reject,
        onOutput: (_, bytes) => process.stderr.write(bytes),
        onExit: (exitCode) => (done < count ? reject(new Error(`the worker ended with ${exitCode}`)) : undefined),
      },
    );
  });
}

const rates: Record<string, number> = {};
for (const runtime of ["javascript", "python"] as const) {
  await measure(runtime, TASKS / 10);
  rates[`${runtime}_worker_tasks_per_s`] = Math.round(await measure(runtime, TASKS));
}
rmSync(dir, { recursive: true, force: true });
if (process.argv.includes("--json")) console.log(JSON.stringify(rates));
else for (const [name, rate] of Object.entries(rates)) console.log(`${name.padEnd(32)} ${rate.toLocaleString("en")}`);
process.exit(0);
