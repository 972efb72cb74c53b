/** Modules as remote functions: each exported function of a file, with everything the file imports. */
import { ApiError } from "../../protocol/errors.ts";
import type { AnyFunction, Remote } from "../remote.ts";
import { builtin, isNodeLike, workingDirectory } from "../runtime.ts";
import { type Code, createCode, nameFrom } from "./code.ts";
import type { FunctionOptions } from "./inline.ts";

/**
 * How a module is bundled and its functions called. `name` is put before the functions' names, `external` names packages
 * that are installed at the endpoint.
 *
 * @example
 * await farcall.module<typeof import("./resize.ts")>("./resize.ts", { external: ["sharp"] });
 */
export type ModuleOptions = FunctionOptions & { external?: readonly string[] };

/**
 * The functions that a module exports, as remote functions.
 *
 * @example
 * const analyse: RemoteModule<typeof import("./analyse.ts")> = await farcall.module("./analyse.ts");
 */
export type RemoteModule<M> = {
  readonly [K in keyof M as M[K] extends AnyFunction ? K : never]: M[K] extends AnyFunction ? Remote<M[K]> : never;
};

/** Bundles a file and gives the code of each of its exports. `callerStack` says whose file a relative path starts from. */
export async function moduleCode(
  path: string | URL,
  options: Pick<ModuleOptions, "name" | "env" | "container" | "external">,
  callerStack: string,
): Promise<Map<string, Code>> {
  if (!isNodeLike()) {
    throw new ApiError("BUNDLE_FAILED", "modules are bundled from files, which this runtime does not have");
  }
  const file = resolveModule(path, callerStack);
  const { bundleModule } = await import("./node-bundle.ts");
  const { code, exports } = await bundleModule(file, options.external ? { external: options.external } : {});
  const base =
    options.name ??
    nameFrom(
      file
        .split(/[\\/]/)
        .at(-1)
        ?.replace(/\.\w+$/, "") ?? "",
      "module",
    );
  return new Map(
    exports.map((entry) => [
      entry,
      createCode(() => code, {
        name: nameFrom(`${base}.${entry}`, "module"),
        runtime: "javascript",
        entry,
        env: options.env,
        container: options.container,
      }),
    ]),
  );
}

/** A URL or absolute path as it is; a relative one from the calling file, else from the working directory. */
export function resolveModule(path: string | URL, callerStack: string): string {
  const { fileURLToPath } = builtin<typeof import("node:url")>("node:url");
  const { resolve, dirname } = builtin<typeof import("node:path")>("node:path");
  const { existsSync } = builtin<typeof import("node:fs")>("node:fs");
  const text = path instanceof URL ? path.href : path;
  const plain = text.startsWith("file:") ? fileURLToPath(text) : text;
  const caller = callerFile(callerStack);
  const bases = [...(caller === undefined ? [] : [dirname(caller)]), workingDirectory()];
  const tried = [...new Set(bases.map((base) => resolve(base, plain)))];
  const found = tried.find((file) => existsSync(file));
  if (found === undefined) {
    throw new ApiError(
      "BUNDLE_FAILED",
      `there is no file ${tried.join(" or ")}; a URL such as import.meta.resolve(…) is sure`,
    );
  }
  return found;
}

/** The file in the first line of a stack that names one. */
export function callerFile(stack: string): string | undefined {
  const { fileURLToPath } = builtin<typeof import("node:url")>("node:url");
  for (const line of stack.split("\n")) {
    const place = /(file:\/\/[^)\s]+|(?:\/|[A-Za-z]:\\)[^)]+?)(?:\?[^:)]*)?:\d+:\d+\)?$/.exec(line.trim())?.[1];
    if (place) return place.startsWith("file:") ? fileURLToPath(place) : place;
  }
  return undefined;
}
