/** The JSON form of a submit, for curl and for programs without an SDK, brought into the form of a frame. */
import { parseSubmitHeader, type SubmitEntry, type SubmitHeader } from "../../protocol/batch.ts";
import { joinBytes } from "../../protocol/frame.ts";
import { newId } from "../../protocol/ids.ts";
import type { ParsedBodyOf } from "../../protocol/operations.ts";

/** The header and body that the same tasks would have as a frame. Ids are made where there are none. */
export function submitFromJson(submit: ParsedBodyOf<"submitTasks">): {
  header: SubmitHeader;
  body: Uint8Array;
  ids: string[];
} {
  const chunks: Uint8Array[] = [];
  const tasks = submit.tasks.map((task) => {
    const { args, id = newId(), ...rest } = task;
    const entry: SubmitEntry = { ...(withoutAbsent(rest) as Omit<SubmitEntry, "id">), id };
    if (entry.blob !== undefined) return entry;
    const bytes = encodeArguments(args);
    chunks.push(bytes);
    return { ...entry, length: bytes.length };
  });
  const body = joinBytes(chunks);
  const header = parseSubmitHeader({ specs: submit.specs, tasks }, body.length);
  return { header, body, ids: tasks.map(({ id }) => id) };
}

/** Positional arguments as bytes; a single value that is no list is the only argument. */
export function encodeArguments(args: unknown): Uint8Array {
  return Buffer.from(args === undefined ? "[]" : JSON.stringify(args));
}

function withoutAbsent(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
