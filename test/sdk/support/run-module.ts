/** Runs a registered JavaScript function in this process, as a worker would in its own. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeValue, encodeValue } from "../../../protocol/payload.ts";
import type { Encoding, TaskFailure } from "../../../protocol/task.ts";

export type Outcome = { encoding?: Encoding; bytes?: Uint8Array; failure?: TaskFailure; blob?: boolean };

type Module = Record<string, (...args: unknown[]) => unknown>;

const loaded = new Map<string, Promise<Module>>();
const dir = mkdtempSync(join(tmpdir(), "farcall-small-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

/** Calls the entry of a module with the arguments of a task. */
export async function runModule(
  fn: { code: Uint8Array; entry: string },
  task: { encoding: string; args: Uint8Array },
): Promise<Outcome> {
  const value = decodeValue(task.encoding as Encoding, task.args);
  const args = (task.encoding === "raw" ? [value] : value) as unknown[];
  try {
    const module = await load(fn.code);
    const result = await module[fn.entry]?.(...args);
    return encodeValue(result === undefined ? null : result);
  } catch (error) {
    const { name, message, stack } = error as Error;
    return { failure: { code: "USER_ERROR", type: name, message, ...(stack === undefined ? {} : { stack }) } };
  }
}

/** Node keeps modules by file, so each code has a file of its own. */
function load(code: Uint8Array): Promise<Module> {
  const file = join(dir, `${createHash("sha256").update(code).digest("hex")}.mjs`);
  let module = loaded.get(file);
  if (!module) {
    writeFileSync(file, code);
    module = import(/* @vite-ignore */ file) as Promise<Module>;
    loaded.set(file, module);
  }
  return module;
}
