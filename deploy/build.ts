/**
 * `npm run build`: writes dist/, the tree of the published package: every source as JavaScript with its declarations, and
 * beside them the files that are used as they are.
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const DIST = join(ROOT, "dist");
const PARTS = ["protocol", "gateway", "endpoint-agent", "sdk", "cli", "deploy"];

rmSync(DIST, { recursive: true, force: true });
const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
execFileSync(process.execPath, [compiler, "-p", join(ROOT, "tsconfig.build.json")], { stdio: "inherit" });
for (const file of globSync("**/*.js", { cwd: DIST })) rewriteUrls(join(DIST, file));
for (const file of otherFiles()) copy(file);

/** The compiler rewrites `.ts` in imports, but not in `new URL("./main.ts", import.meta.url)`. */
function rewriteUrls(file: string): void {
  const text = readFileSync(file, "utf8");
  const rewritten = text.replace(/(new URL\("\.{1,2}\/[^"]+)\.ts(", import\.meta\.url\))/g, "$1.js$2");
  if (rewritten !== text) writeFileSync(file, rewritten);
}

/** Python workers, schemas, pages: everything in the parts that git tracks or would, and that is no TypeScript. */
function otherFiles(): string[] {
  return globSync(`{${PARTS.join(",")}}/**/*.{py,sh,json,yaml,html,css,svg,sql}`, { cwd: ROOT });
}

function copy(file: string): void {
  mkdirSync(dirname(join(DIST, file)), { recursive: true });
  cpSync(join(ROOT, file), join(DIST, file));
}
