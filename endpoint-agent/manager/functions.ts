/** The code of the functions that tasks here name: asked for once, checked against its hash, kept as files on this node. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { definitionText, type FunctionDefinition } from "../../protocol/function.ts";
import type { TaskFailure } from "../../protocol/task.ts";
import { isDefinition } from "./agent-frame-checks.ts";
import { EXHAUSTED_RETRY_MS, isExhausted } from "./exhaustion.ts";
import type { RunTime } from "./hold.ts";

export type Runtime = FunctionDefinition["runtime"];

export type KnownFunction = {
  readonly id: string;
  state: "asked" | "ready" | "failed";
  definition: FunctionDefinition | undefined;
  /** the code's file; of a command, its template is in `template` */
  file: string;
  template: string;
  failure: TaskFailure | undefined;
  readonly time: RunTime;
};

export type Functions = {
  /** The function of that id; asks the agent for it when it is not known. */
  get(id: string): KnownFunction;
  /** The agent sent the code. Returns the function, which is now ready or failed. */
  arrived(id: string, definition: FunctionDefinition, code: Uint8Array): KnownFunction;
  /** The agent has no such function. */
  failed(id: string, failure: TaskFailure): KnownFunction;
  /** Asks again for what was asked for and not answered: for one id, or for all of them. */
  askAgain(id?: string): void;
};

const EXTENSIONS: Record<Runtime, string> = { javascript: ".mjs", python: ".py", command: ".sh" };

/** Functions of one manager; files go to `cacheDir`, which several managers of a node share. */
export function createFunctions(cacheDir: string, ask: (id: string) => void): Functions {
  const known = new Map<string, KnownFunction>();
  const get = (id: string): KnownFunction => {
    let fn = known.get(id);
    if (!fn) {
      fn = {
        id,
        state: "asked",
        definition: undefined,
        file: "",
        template: "",
        failure: undefined,
        time: { ewmaMs: undefined, spawns: false },
      };
      known.set(id, fn);
      ask(id);
    }
    return fn;
  };
  const fail = (fn: KnownFunction, failure: TaskFailure) => {
    // Forgotten at once: a function that was deleted may be registered again.
    known.delete(fn.id);
    fn.state = "failed";
    fn.failure = failure;
    return fn;
  };
  return {
    get,
    arrived(id, definition, code) {
      const fn = get(id);
      const wrong = mismatch(id, definition, code);
      if (wrong) return fail(fn, { code: "LOAD_ERROR", message: wrong });
      fn.definition = definition;
      fn.file = join(cacheDir, definition.code + EXTENSIONS[definition.runtime]);
      if (definition.runtime === "command") fn.template = new TextDecoder().decode(code);
      else if (!kept(fn.file, code)) {
        setTimeout(ask, EXHAUSTED_RETRY_MS, id).unref();
        return fn;
      }
      fn.state = "ready";
      return fn;
    },
    failed: (id, failure) => fail(get(id), failure),
    askAgain(id) {
      for (const fn of known.values()) if (fn.state === "asked" && (id === undefined || fn.id === id)) ask(fn.id);
    },
  };
}

function mismatch(id: string, definition: FunctionDefinition, code: Uint8Array): string | undefined {
  if (!isDefinition(definition)) return `the definition that came for function ${id} cannot be read`;
  if (sha256(definitionText(definition)) !== id) return `the definition that came for function ${id} has another hash`;
  if (sha256(code) !== definition.code) return `the code that came for function ${id} has another hash`;
  return undefined;
}

/** Written under another name first: a reader never sees half of it. */
function keep(file: string, code: Uint8Array): void {
  if (existsSync(file) && readFileSync(file).equals(code)) return;
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, code, { mode: 0o600 });
  renameSync(partial, file);
}

/** False where there is no descriptor to write it with. */
function kept(file: string, code: Uint8Array): boolean {
  try {
    keep(file, code);
    return true;
  } catch (error) {
    if (!isExhausted(error)) throw error;
    return false;
  }
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
