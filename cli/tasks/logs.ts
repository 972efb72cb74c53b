/** `farcall tasks logs`. */
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
      if (options.json) context.terminal.json(chunk);
      else await writeOutput(context, chunk.stream, chunk.text);
    }
    return;
  }
  const logs = await farcall.tasks.logs(id);
  if (options.json) return context.terminal.json(logs);
  for (const stream of ["stdout", "stderr"] as const) {
    if (!wanted(stream)) continue;
    const total = stream === "stdout" ? logs.stdoutTotal : logs.stderrTotal;
    await writeOutput(context, stream, logs[stream]);
    if (logs.truncated && total > Buffer.byteLength(logs[stream])) {
      context.terminal.note(`(the end of ${byteSize(total)} of ${stream})`);
    }
  }
}

/** Remote output goes where it was written to; on a terminal without what could take it over. */
export async function writeOutput(
  { terminal }: Pick<CliContext, "terminal">,
  stream: "stdout" | "stderr",
  text: string,
): Promise<void> {
  if (text === "") return;
  if (stream === "stdout") await terminal.write(terminal.width === undefined ? text : plain(text));
  else await terminal.writeError(terminal.animated ? plain(text) : text);
}
