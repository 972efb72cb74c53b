/** The functions that a worker was told of, loaded at their first task. */
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import type { ManagerToWorker } from "../../protocol/worker-frames.ts";

// biome-ignore lint/suspicious/noExplicitAny: user functions take and return anything
export type UserFunction = (...args: any[]) => unknown;

export type Call = {
  env: Record<string, string> | undefined;
  /** the function, once it is loaded */
  loaded: UserFunction | undefined;
  /** its code can leave nothing behind */
  traceless: boolean;
  load(): Promise<UserFunction>;
};

export type Calls = {
  add(frame: ManagerToWorker & { kind: "call" }): void;
  get(call: number): Call;
};

/** Code with none of these words changes nothing outside of itself, and need not be watched: the shortest tasks gain most. */
const LEAVES_TRACES =
  /\b(?:import|require|process|global|globalThis|eval|Function|constructor|async|await|Promise|then|fetch|set[A-Z]\w*|queueMicrotask|[A-Z]\w*(?:Channel|Socket|Source|Signal|Controller|Worker|Registry))\b/;

/** Keeps calls by number. Node caches modules by file, so two calls of one file load it once. */
export function createCalls(): Calls {
  const calls = new Map<number, Call>();
  return {
    add({ call, file, entry, env }) {
      const known: Call = {
        env,
        loaded: undefined,
        traceless: false,
        async load() {
          known.traceless = !LEAVES_TRACES.test(fs.readFileSync(file, "utf8"));
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
