/** Runs a scheduler's command: argv and standard input, never a shell; bounded in time and in what it may print. */
import { type ChildProcess, spawn } from "node:child_process";
import type { CommandOutput } from "./dialect.ts";

export type CommandOptions = {
  input: string;
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
  signal?: AbortSignal;
};

/** Never rejects: how it ended is in the output. Other adapters run the command elsewhere, as over SSH. */
export type RunCommand = (argv: readonly string[], options: CommandOptions) => Promise<CommandOutput>;

/** More than any list of one user's jobs; what goes beyond is garbage. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** A command that has ended, but whose standard output somebody still holds open, is not waited for longer. */
const CLOSE_MS = 1_000;
/** What was killed and waits in the kernel, for a file server as a rule (FAULTS.md A10), ends when that answers: nobody waits with it. */
const KILLED_MS = 5_000;
/** As shells say it. */
const NOT_FOUND = 127;

/** On this machine, in a process group of its own that ends with the timeout. */
export const runCommand: RunCommand = (argv, options) =>
  new Promise((resolve) => {
    const [file, ...args] = argv as [string, ...string[]];
    const name = file.slice(file.lastIndexOf("/") + 1);
    const child: ChildProcess = spawn(file, args, {
      env: options.env,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    const { stdin, stdout, stderr } = child;
    // Without descriptors for them there are none, nor is there a process (FAULTS.md A9).
    if (!stdin || !stdout || !stderr) {
      child.once("error", ({ message }) => resolve({ code: null, stdout: "", stderr: `${name}: ${message}` }));
      return;
    }
    const out = collect(stdout, () => kill("it printed more than anybody can read"));
    const err = collect(stderr, () => kill("it printed more than anybody can read"));
    let why: string | undefined;
    let finished = false;
    let unkillable: NodeJS.Timeout | undefined;

    const kill = (reason: string) => {
      why ??= reason;
      if (child.pid !== undefined) killGroup(child.pid);
      unkillable ??= setTimeout(() => {
        child.unref();
        finish(null, `${why}, and it could not be ended`);
      }, KILLED_MS).unref();
    };
    const onAbort = () => kill("the agent ends");
    const timer = setTimeout(() => kill(`no answer within ${options.timeoutMs / 1000} s`), options.timeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const finish = (code: number | null, note: string | undefined) => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      clearTimeout(unkillable);
      options.signal?.removeEventListener("abort", onAbort);
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
      const words = err.text();
      resolve({
        // What was cut short is not to be read.
        code: why === undefined ? code : null,
        stdout: why === undefined ? out.text() : "",
        stderr: note === undefined ? words : `${name}: ${note}${words === "" ? "" : `; ${words}`}`,
      });
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      const dir = file.slice(0, Math.max(0, file.lastIndexOf("/")));
      const notFound = dir === "" ? "command not found" : `command not found in ${dir}`;
      finish(NOT_FOUND, error.code === "ENOENT" ? notFound : error.message);
    });
    child.once("exit", (code) => setTimeout(() => finish(code, why), CLOSE_MS).unref());
    child.once("close", (code) => finish(code, why));
    // A command that does not read its input says why on stderr.
    stdin.on("error", () => {});
    stdin.end(options.input);
  });

function collect(stream: NodeJS.ReadableStream, tooMuch: () => void): { text(): string } {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    else tooMuch();
  });
  stream.on("error", () => {});
  return { text: () => Buffer.concat(chunks).toString("utf8") };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Ended meanwhile.
  }
}
