/** Bundles a module with everything it imports into one ES module; loaded only when a module is used. */
import type { BuildFailure, BuildResult, Message } from "esbuild";
import { ApiError } from "../../protocol/errors.ts";
import { builtin } from "../runtime.ts";

export type Bundle = { code: Uint8Array; exports: string[] };
export type BundleOptions = {
  /** packages that are installed at the endpoint and not to be bundled */
  external?: readonly string[];
};

/** CommonJS packages in the bundle ask for Node's own modules with `require`, which ES modules do not have. */
const REQUIRE =
  'import { createRequire as farcallCreateRequire } from "node:module"; globalThis.require ??= farcallCreateRequire(import.meta.url);';

/** The same file with the same imports gives the same bytes, wherever it lies and whatever the working directory is. */
export async function bundleModule(file: string, options: BundleOptions = {}): Promise<Bundle> {
  const path = builtin<typeof import("node:path")>("node:path");
  const esbuild = loadEsbuild();
  let result: BuildResult<{ write: false; metafile: true }>;
  try {
    result = await esbuild.build({
      entryPoints: [file],
      absWorkingDir: path.dirname(file),
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node22",
      charset: "utf8",
      legalComments: "none",
      logLevel: "silent",
      write: false,
      metafile: true,
      external: [...(options.external ?? [])],
      define: { __dirname: "import.meta.dirname", __filename: "import.meta.filename" },
    });
  } catch (error) {
    throw bundleError(file, error);
  }
  const text = result.outputFiles[0]?.text ?? "";
  const exports = Object.values(result.metafile.outputs)[0]?.exports ?? [];
  if (exports.includes("then")) {
    throw new ApiError(
      "BUNDLE_FAILED",
      `${file} exports \`then\`, so that whoever imports it takes it for a promise; rename it`,
    );
  }
  const code = text.includes("__require") ? `${REQUIRE}\n${text}` : text;
  return { code: new TextEncoder().encode(code), exports: [...exports].sort() };
}

function loadEsbuild(): typeof import("esbuild") {
  const { createRequire } = builtin<typeof import("node:module")>("node:module");
  try {
    // Not an import: bundlers for browsers would follow it.
    return createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  } catch (cause) {
    throw new ApiError("BUNDLE_FAILED", `esbuild, which bundles modules, cannot be loaded: ${String(cause)}`, {
      cause,
    });
  }
}

function bundleError(file: string, error: unknown): ApiError {
  const [first] = (error as BuildFailure).errors ?? [];
  if (!first) return new ApiError("BUNDLE_FAILED", `${file} cannot be bundled: ${String(error)}`, { cause: error });
  return new ApiError("BUNDLE_FAILED", `${file} cannot be bundled: ${explain(first)}${placeOf(first)}`, {
    cause: error,
  });
}

function explain({ text }: Message): string {
  const addon = /No loader is configured for "\.node" files: (.*)/.exec(text);
  if (addon) return `it imports the native addon ${addon[1]}, which must be built where it runs`;
  const missing = /Could not resolve "([^"]+)"/.exec(text);
  if (missing) return `its import "${missing[1]}" is not found`;
  return text;
}

function placeOf({ location }: Message): string {
  return location ? ` (${location.file}:${location.line})` : "";
}
