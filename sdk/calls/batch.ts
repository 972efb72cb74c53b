/** Cuts a queue of calls into submits: pure, apart from the calls it marks as taken. */
import { BatchLimits } from "../../protocol/batch.ts";
import { encodeFrameText } from "../../protocol/frame.ts";
import type { Call } from "./call.ts";

/** A submit's inline bytes stay near this. */
export const BATCH_BYTES = 512 * 1024;

const encoder = new TextEncoder();

/** How many calls from `start` make up the next batch. Calls that ended in the meantime count as nothing. */
export function batchEnd(queue: readonly Call[], start: number, maxTasks: number = BatchLimits.maxTasks): number {
  const specs = new Set<string>();
  let tasks = 0;
  let bytes = 0;
  let i = start;
  let lastSpec: unknown;
  for (; i < queue.length && tasks < maxTasks; i++) {
    const call = queue[i] as Call;
    if (call.phase === "ended") continue;
    const size = inlineSize(call);
    if (tasks > 0 && bytes + size > BATCH_BYTES) break;
    if (call.spec !== lastSpec) {
      lastSpec = call.spec;
      specs.add(call.spec.text as string);
      if (specs.size > BatchLimits.maxSpecs) break;
    }
    tasks++;
    bytes += size;
  }
  return i;
}

/** One frame of calls whose functions are registered: specs once each, ids and lengths, then the arguments. */
export function encodeSubmit(calls: readonly Call[]): Uint8Array {
  const { bodies, lengths } = packArguments(calls);
  const specs = new Map<string, number>();
  let tasks = "";
  let lastSpec: unknown;
  let specField = "";
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as Call;
    if (call.spec !== lastSpec) {
      lastSpec = call.spec;
      const text = call.spec.text as string;
      if (!specs.has(text)) specs.set(text, specs.size);
      specField = specs.get(text) === 0 ? "" : `,"spec":${specs.get(text)}`;
    }
    const encoding = call.encoding === "json" ? "" : `,"encoding":"${call.encoding}"`;
    const where = call.blob === undefined ? `,"length":${lengths[i]}` : `,"blob":"${call.blob}","size":${lengths[i]}`;
    tasks += `${i === 0 ? "" : ","}{"id":"${call.id}"${specField}${encoding}${where}}`;
  }
  return encodeFrameText(`{"specs":[${[...specs.keys()].join(",")}],"tasks":[${tasks}]}`, bodies);
}

type Packed = { bodies: Uint8Array[]; lengths: number[] };

/** The arguments in order. Texts alone are encoded at one go: all ASCII, the strings' lengths are the bytes'. */
function packArguments(calls: readonly Call[]): Packed {
  const texts: string[] = [];
  for (const call of calls) if (call.text !== undefined) texts.push(call.text);
  if (texts.length === calls.length) {
    const joined = texts.join("");
    const bytes = encoder.encode(joined);
    if (bytes.length === joined.length) return { bodies: [bytes], lengths: texts.map((text) => text.length) };
  }
  const bodies: Uint8Array[] = [];
  const lengths: number[] = [];
  for (const call of calls) {
    const bytes = call.bytes ?? encoder.encode(call.text);
    lengths.push(bytes.length);
    if (call.blob === undefined) bodies.push(bytes);
  }
  return { bodies, lengths };
}

function inlineSize(call: Call): number {
  if (call.blob !== undefined) return 0;
  return call.text === undefined ? (call.bytes as Uint8Array).length : call.text.length;
}
