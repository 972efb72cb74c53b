/** `farcall tasks logs`. */
import { isTerminal } from "../../protocol/task.ts";
import type { CliContext } from "../context.ts";
import { byteSize, plain } from "../output/text.ts";

export type LogOptions = { follow?: boolean; stream?: "stdout" | "stderr"; json?: boolean };

/** Prints a task's output; with `follow`, until the task ends. */
export async function showLogs(context: CliContext, id: string, options: LogOptions): Promise<void> {
  const farcall = await context.connect();
  const wanted = (stream: "stdout" | "stderr") => options.stream === undefined || options.stream === stream;
  if (options.follow) {
    for await (const chunk of farcall.tasks.follow(id, { signal: context.signal })) {
      if (!wanted(chunk.stream)) continue;
      const { bytes, ...shown } = chunk;
      if (options.json) context.terminal.json(shown);
      else await writeOutput(context, chunk.stream, chunk);
    }
    return;
  }
  const logs = await farcall.tasks.logs(id);
  if (!options.json && logs.stdoutTotal + logs.stderrTotal === 0) {
    const { state } = await farcall.tasks.get(id);
    if (!isTerminal(state)) context.terminal.note(`(it is ${state}; -f shows what it writes)`);
    if (state === "cancelled") context.terminal.note("(what a cancelled task wrote is not kept)");
  }
  if (options.json) return context.terminal.json(logs);
  for (const stream of ["stdout", "stderr"] as const) {
    if (!wanted(stream)) continue;
    const total = stream === "stdout" ? logs.stdoutTotal : logs.stderrTotal;
    await writeOutput(context, stream, { text: logs[stream] });
    if (logs.truncated && total > Buffer.byteLength(logs[stream])) {
      context.terminal.note(`(the end of ${byteSize(total)} of ${stream})`);
    }
  }
}

/** Remote output goes where it was written to, byte for byte; on a terminal without what could take it over. */
export async function writeOutput(
  { terminal }: Pick<CliContext, "terminal">,
  stream: "stdout" | "stderr",
  { text, bytes = Buffer.from(text) }: { text: string; bytes?: Uint8Array },
): Promise<void> {
  if (bytes.length === 0) return;
  if (stream === "stdout") await terminal.write(terminal.width === undefined ? bytes : plain(text));
  else await terminal.writeError(terminal.animated ? plain(text) : bytes);
}
