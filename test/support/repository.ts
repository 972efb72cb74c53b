/** The repository as the structure tests see it: tracked files and the tools in it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Every tracked file that is there, by its path from the root; new files count once they are added. */
export function trackedFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" });
  return listed.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

/** Tracked TypeScript sources, tests and all. */
export function sources(): string[] {
  return trackedFiles().filter((path) => path.endsWith(".ts"));
}

/** The text of a file of the repository. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** A command of node_modules/.bin. */
export function bin(name: string): string {
  return join(ROOT, "node_modules", ".bin", name);
}

/** What a source imports, statically or not, as it is written: `./task.ts`, `node:fs`, `zod`. */
export function importsOf(source: string): string[] {
  return IMPORTS.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[1] ?? ""));
}

const IMPORTS = [
  /^(?:import|export)\s+(?:type\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+(?:,\s*\{[^}]*\})?)\s+from\s+"([^"\n]+)"/gm,
  /^import\s+"([^"\n]+)"/gm,
  /\bimport\(\s*"([^"\n]+)"/g,
];
