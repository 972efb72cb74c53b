/** Reads a submit's columns task by task. */
import { idsToBytes, idToBytes } from "../ids.ts";
import type { SubmitMessage } from "../messages.ts";
import { PLACE, ROW_PAYLOAD_BYTES } from "../states.ts";
import type { Spec } from "./model.ts";

/** A task as a submit offers it: not stored yet, or stored already. */
export type Offered = {
  id: Uint8Array;
  spec: Spec;
  form: number;
  /** bytes of the arguments, wherever they are */
  size: number;
  /** bytes of the arguments in the database */
  inlineSize: number;
  /** the bytes, or the hash of the blob */
  args: Uint8Array;
  blob: { hash: string; size: number } | null;
  retryOf: Uint8Array | null;
};

/** Gives each task of the message in the order of its id, with views on its arguments. */
export function readBatch(message: SubmitMessage) {
  const { ids, lengths, encodings, body } = message;
  const n = ids.length;
  const idBytes = idsToBytes(ids);
  const offsets = new Float64Array(n);
  let offset = 0;
  let sorted = true;
  for (let i = 0; i < n; i++) {
    offsets[i] = offset;
    offset += lengths[i] as number;
    if (i > 0 && (ids[i] as string) < (ids[i - 1] as string)) sorted = false;
  }
  const order = Array.from(ids, (_, i) => i);
  if (!sorted) order.sort((a, b) => ((ids[a] as string) < (ids[b] as string) ? -1 : 1));
  const blobs = message.blobs && new Map(message.blobs.map((blob) => [blob.index, blob]));
  const retries = message.retries && new Map(message.retries.map((retry) => [retry.index, idToBytes(retry.of)]));
  return {
    order,
    specOf: (index: number) => message.specOf?.[index] ?? 0,
    offer(index: number, spec: Spec): Offered {
      const blob = blobs?.get(index) ?? null;
      const size = lengths[index] as number;
      const at = offsets[index] as number;
      const place = blob ? PLACE.blob : size > ROW_PAYLOAD_BYTES ? PLACE.table : PLACE.row;
      return {
        id: idBytes.subarray(index * 16, index * 16 + 16),
        spec,
        form: (encodings?.[index] ?? 0) + place,
        size: blob ? blob.size : size,
        inlineSize: size,
        args: blob ? Buffer.from(blob.hash, "hex") : body.subarray(at, at + size),
        blob,
        retryOf: retries?.get(index) ?? null,
      };
    },
  };
}
