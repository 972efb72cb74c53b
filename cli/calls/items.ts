/** The lines of a JSON Lines file, read as they are needed. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { ApiError } from "../../protocol/errors.ts";

/** Yields the value of each line; `-` reads stdin. Blank lines are passed over. Throws BAD_REQUEST naming the line. */
export async function* readItems(file: string, stdin: NodeJS.ReadableStream): AsyncGenerator<unknown> {
  const input = file === "-" ? stdin : await opened(file);
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === "") continue;
    yield parseLine(line, `${file === "-" ? "stdin" : file}:${number}`);
  }
}

/** How many items a file holds. */
export async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const line of createInterface({ input: await opened(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() !== "") lines++;
  }
  return lines;
}

function parseLine(line: string, place: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    const shown = line.length > 60 ? `${line.slice(0, 60)}…` : line;
    throw new ApiError("BAD_REQUEST", `${place} is not JSON: ${shown}`, { cause });
  }
}

async function opened(file: string): Promise<NodeJS.ReadableStream> {
  const stream = createReadStream(file);
  await new Promise<void>((resolve, reject) => {
    stream.once("open", () => resolve());
    stream.once("error", (cause) =>
      reject(new ApiError("BAD_REQUEST", `${file} cannot be read: ${cause.message}`, { cause })),
    );
  });
  return stream;
}
