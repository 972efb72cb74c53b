/** A command's output on its way to the terminal: live, and in the end every byte of it, or a word about those that are missing. */
import type { CommandResult, LogChunk } from "../../sdk/index.ts";
import type { CliContext } from "../context.ts";
import { byteSize } from "../output/text.ts";
import { writeOutput } from "../tasks/logs.ts";

type StreamName = LogChunk["stream"];

export type LiveOutput = {
  /** Shows a piece, unless something before it is missing: then the result is waited for. */
  show(chunk: LogChunk): Promise<void>;
  /** Shows what has not been shown, out of the result where it is whole. */
  finish(result: CommandResult | undefined): Promise<void>;
};

/** What comes after a gap is kept up to this; beyond, the result will not have the gap either. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** Output begins at nothing shown. */
export function createLiveOutput(context: Pick<CliContext, "terminal">): LiveOutput {
  const shown = { stdout: 0, stderr: 0 };
  const kept: Record<StreamName, LogChunk[]> = { stdout: [], stderr: [] };
  const keptBytes = { stdout: 0, stderr: 0 };

  async function write(chunk: LogChunk): Promise<void> {
    const missing = chunk.offset - shown[chunk.stream];
    if (missing > 0) context.terminal.note(`(${byteSize(missing)} of ${chunk.stream} were not kept)`);
    shown[chunk.stream] = chunk.offset + chunk.bytes.length;
    await writeOutput(context, chunk.stream, chunk);
  }

  async function letGo(stream: StreamName): Promise<void> {
    for (const chunk of kept[stream].splice(0)) await write(chunk);
    keptBytes[stream] = 0;
  }

  return {
    async show(chunk) {
      const { stream } = chunk;
      if (kept[stream].length === 0 && chunk.offset === shown[stream]) return write(chunk);
      kept[stream].push(chunk);
      keptBytes[stream] += chunk.bytes.length;
      if (keptBytes[stream] > MAX_KEPT_BYTES) await letGo(stream);
    },
    async finish(result) {
      for (const stream of ["stdout", "stderr"] as const) {
        const bytes = result && wholeOutput(result, stream);
        if (bytes === undefined) await letGo(stream);
        else if (bytes.length > shown[stream]) {
          const rest = bytes.subarray(shown[stream]);
          await writeOutput(context, stream, { text: Buffer.from(rest).toString("utf8"), bytes: rest });
        }
      }
    },
  };
}

function wholeOutput(result: CommandResult, stream: StreamName): Uint8Array | undefined {
  const bytes = stream === "stdout" ? result.stdoutBytes : result.stderrBytes;
  if (bytes) return bytes;
  return result.truncated ? undefined : Buffer.from(result[stream]);
}
