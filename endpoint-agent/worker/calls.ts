/** The functions that a worker was told of, loaded at their first task. */
import { pathToFileURL } from "node:url";
import type { ManagerToWorker } from "../../protocol/worker-frames.ts";

// biome-ignore lint/suspicious/noExplicitAny: user functions take and return anything
export type UserFunction = (...args: any[]) => unknown;

export type Call = {
  env: Record<string, string> | undefined;
  /** the function, once it is loaded */
  loaded: UserFunction | undefined;
  load(): Promise<UserFunction>;
};

export type Calls = {
  add(frame: ManagerToWorker & { kind: "call" }): void;
  get(call: number): Call;
};

/** Keeps calls by number. Node caches modules by file, so two calls of one file load it once. */
export function createCalls(): Calls {
  const calls = new Map<number, Call>();
  return {
    add({ call, file, entry, env }) {
      const known: Call = {
        env,
        loaded: undefined,
        async load() {
          const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
          const found = module[entry];
          if (typeof found !== "function") {
            const names = Object.keys(module).filter((name) => typeof module[name] === "function");
            throw new TypeError(
              `the module exports ${found === undefined ? "no" : `a ${typeof found} named`} "${entry}"; ` +
                `functions it exports: ${names.join(", ") || "none"}`,
            );
          }
          known.loaded = found as UserFunction;
          return known.loaded;
        },
      };
      calls.set(call, known);
    },
    get(call) {
      const known = calls.get(call);
      if (!known) throw new Error(`no call ${call} was announced`);
      return known;
    },
  };
}
