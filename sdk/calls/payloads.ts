/** Payloads above the inline limit: arguments on their way to the blob store, results on their way from it. */
import { sha256Hex } from "../../protocol/function.ts";
import { decodeValue } from "../../protocol/payload.ts";
import type { Encoding } from "../../protocol/task.ts";
import type { HttpClient } from "../http/client.ts";
import { createGate } from "./gate.ts";

export type Payloads = {
  /** Stores bytes under their hash, which it returns. */
  upload(bytes: Uint8Array): Promise<string>;
  /** Upload it again when it is next needed: the store has lost it. */
  forget(hash: string): void;
  /** A finished task's result, whatever its size. */
  result(taskId: string, signal?: AbortSignal): Promise<unknown>;
};

const MAX_TRANSFERS = 4;
/** Hashes remembered, so that a value sent with many calls is uploaded once. */
const MAX_REMEMBERED = 1000;

/** Makes the transfers over an HTTP client. */
export function createPayloads(http: Pick<HttpClient, "read">): Payloads {
  const stored = new Map<string, Promise<void>>();
  const uploads = createGate(MAX_TRANSFERS);
  const downloads = createGate(MAX_TRANSFERS * 2);

  async function put(hash: string, data: Uint8Array): Promise<void> {
    await http.read("putBlob", { params: { blob: hash }, bytes: { type: "application/octet-stream", data } });
  }

  return {
    upload: (bytes) =>
      uploads(async () => {
        const hash = await sha256Hex(bytes);
        let upload = stored.get(hash);
        if (!upload) {
          upload = put(hash, bytes);
          stored.set(hash, upload);
          upload.catch(() => stored.delete(hash));
          if (stored.size > MAX_REMEMBERED) stored.delete(stored.keys().next().value as string);
        }
        await upload;
        return hash;
      }),
    forget: (hash) => void stored.delete(hash),
    result: (taskId, signal) =>
      downloads(async () => {
        const request = { params: { task: taskId }, ...(signal ? { signal } : {}) };
        const { answer, bytes } = await http.read("taskResultBytes", request);
        return decodeValue((answer.header("farcall-encoding") ?? "json") as Encoding, bytes);
      }),
  };
}
