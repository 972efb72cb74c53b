/** Runs a registered JavaScript function in this process, as a worker would in its own. */
import { decodeValue, encodeValue } from "../../../protocol/payload.ts";
import type { Encoding, TaskFailure } from "../../../protocol/task.ts";

export type Outcome = { encoding?: Encoding; bytes?: Uint8Array; failure?: TaskFailure; blob?: boolean };

const loaded = new Map<string, Promise<Record<string, (...args: unknown[]) => unknown>>>();

/** Calls the entry of a module with the arguments of a task. */
export async function runModule(
  fn: { code: Uint8Array; entry: string },
  task: { encoding: string; args: Uint8Array },
): Promise<Outcome> {
  const value = decodeValue(task.encoding as Encoding, task.args);
  const args = (task.encoding === "raw" ? [value] : value) as unknown[];
  try {
    const url = `data:text/javascript;base64,${Buffer.from(fn.code).toString("base64")}`;
    if (!loaded.has(url)) loaded.set(url, import(/* @vite-ignore */ url));
    const module = await (loaded.get(url) as Promise<Record<string, (...args: unknown[]) => unknown>>);
    const result = await module[fn.entry]?.(...args);
    return encodeValue(result === undefined ? null : result);
  } catch (error) {
    const { name, message, stack } = error as Error;
    return { failure: { code: "USER_ERROR", type: name, message, ...(stack === undefined ? {} : { stack }) } };
  }
}
