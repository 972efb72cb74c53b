/** What a command prints, out of all that its channel carries. */
import type { ClientChannel } from "ssh2";
import type { CommandOutput } from "../../endpoint-agent/provider/batch/dialect.ts";
import { unframe } from "./shell.ts";

/** What a command may print; more is cut. */
const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;

/** The output between the marks, and the exit code: of the inner command, or of the shell that was to run it. */
export async function collect(channel: ClientChannel, mark: string): Promise<CommandOutput> {
  const stdout = gather(channel);
  const stderr = gather(channel.stderr);
  let exit: number | null = null;
  channel.once("exit", (code: number | null) => {
    exit = code ?? null;
  });
  await event(channel, "close");
  const out = unframe(stdout(), mark);
  const err = unframe(stderr(), mark);
  // What is missing its end is not to be read as a whole.
  if (out.began && out.code === undefined && exit === 0)
    throw new Error("a command printed more than anybody can read");
  if (!out.began) {
    const said = `${out.output}\n${err.output}`.trim().slice(0, 500);
    throw new Error(`its login shell did not run a command${said === "" ? "" : `; it said: ${said}`}`);
  }
  return { code: out.code ?? exit, stdout: out.output, stderr: err.output };
}

/** Keeps the beginning of what comes. */
export function gather(stream: NodeJS.ReadableStream, mostBytes = MOST_OUTPUT_BYTES): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size < mostBytes) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

/** Resolves when the first mark has come; what follows it is left in the channel. */
export function begun(channel: ClientChannel, mark: string): Promise<void> {
  const open = Buffer.from(`\n${mark}<\n`);
  let before: Buffer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const onClose = () => {
      const said = before.toString("utf8").trim().slice(0, 500);
      reject(new Error(`its login shell did not run a command${said === "" ? "" : `; it said: ${said}`}`));
    };
    const onData = (chunk: Buffer) => {
      before = Buffer.concat([before, chunk]);
      const at = before.indexOf(open);
      if (at === -1) return;
      channel.off("data", onData).off("close", onClose).pause();
      const rest = before.subarray(at + open.length);
      if (rest.length > 0) channel.unshift(rest);
      resolve();
    };
    channel.on("data", onData).once("close", onClose);
  });
}

/** Resolves at the next event of that name. */
export function event(stream: NodeJS.EventEmitter, name: string): Promise<void> {
  return new Promise((resolve) => stream.once(name, () => resolve()));
}

/** Passes on what a command prints as it comes; what the login printed before the first mark is left out. */
export function passOn(channel: ClientChannel, mark: string, onText: (text: string) => void): void {
  const open = `\n${mark}<\n`;
  let before: string | undefined = "";
  channel.setEncoding("utf8").on("data", (text: string) => {
    if (before === undefined) return onText(text);
    before += text;
    const at = before.indexOf(open);
    if (at === -1) return;
    const rest = before.slice(at + open.length);
    before = undefined;
    if (rest !== "") onText(rest);
  });
}
