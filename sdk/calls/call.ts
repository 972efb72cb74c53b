/** One call under way: the record that goes through the queue, the batch and the event stream. */
import { ApiError } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { encodeValue } from "../../protocol/payload.ts";
import { isPlainJson } from "../../protocol/payload-check.ts";
import { BLOB_LIMIT_BYTES, type Encoding, INLINE_LIMIT_BYTES, type TaskState } from "../../protocol/task.ts";
import { payloadOf } from "../code/kwargs.ts";
import type { Spec } from "./spec.ts";

/** Who is told how a call ended. */
export type Listener = {
  succeeded(call: Call, value: unknown): void;
  failed(call: Call, error: unknown): void;
  accepted?(call: Call): void;
  changed?(call: Call): void;
};

export type Call = {
  readonly id: string;
  readonly spec: Spec;
  readonly listener: Listener;
  /** what the caller counts by; only map uses it */
  readonly index: number;
  readonly encoding: Encoding;
  /** the arguments: JSON text that is encoded with its batch, or bytes; gone once they are accepted */
  text: string | undefined;
  bytes: Uint8Array | undefined;
  blob: string | undefined;
  state: TaskState;
  /** unsent: nothing of it has left this process; accepted: the gateway has it on disk */
  phase: "unsent" | "sent" | "accepted" | "ended";
  /** how often something that the gateway had lost was mended for it */
  repairs: number;
};

/** Makes a call of its arguments. Throws NOT_SERIALISABLE or TOO_LARGE. */
export function createCall(spec: Spec, given: readonly unknown[], listener: Listener, index = 0): Call {
  const args = payloadOf(spec.code.runtime, given);
  spec.code.check?.(given);
  let encoding: Encoding = "json";
  let text: string | undefined;
  let bytes: Uint8Array | undefined;
  if (isPlainJson(args)) {
    text = JSON.stringify(args);
    // The text may be longer in UTF-8, three bytes a character at most.
    if (text.length * 3 > INLINE_LIMIT_BYTES) {
      bytes = new TextEncoder().encode(text);
      text = undefined;
    }
  } else {
    const only = given.length === 1 ? given[0] : undefined;
    const encoded = encodeValue(only instanceof Uint8Array ? plainBytes(only) : args);
    encoding = encoded.encoding;
    // Small arguments are copied: what the caller does to its array afterwards does not matter.
    bytes = encoding === "raw" && encoded.bytes.length <= INLINE_LIMIT_BYTES ? encoded.bytes.slice() : encoded.bytes;
    if (bytes.length > BLOB_LIMIT_BYTES) {
      throw new ApiError(
        "TOO_LARGE",
        `the arguments are ${bytes.length} bytes; a payload has at most ${BLOB_LIMIT_BYTES}`,
      );
    }
  }
  return {
    id: newId(),
    spec,
    listener,
    index,
    encoding,
    text,
    bytes,
    blob: undefined,
    state: "queued",
    phase: "unsent",
    repairs: 0,
  };
}

/** A Buffer is bytes too. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
