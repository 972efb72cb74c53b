/** The files of an agent that runs at a site: its two parts of this package, and the packages that they import. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { TarEntry } from "./tar.ts";

const PARTS = ["protocol", "endpoint-agent"];
/** What a part needs to run; types, maps and pages stay here. */
const PART_FILES = new Set([".ts", ".js", ".py", ".json"]);
const PACKAGE_FILES = new Set([".js", ".cjs", ".mjs", ".json"]);
/** Folders of packages that hold no code that is imported. */
const SKIPPED = new Set([
  "node_modules",
  "test",
  "tests",
  "docs",
  "examples",
  "example",
  "benchmarks",
  "bench",
  "browser",
  ".github",
]);
const IMPORT = /^(?:import|export)\s[^;'"]*?from\s*["']([^."'][^"']*)["']|^import\s*["']([^."'][^"']*)["']/gm;

type Package = { name: string; dir: string; dependencies: Record<string, string>; needs: Package[] };

/** Reads the files; `root` holds the parts: the repository, or `dist/` of the published package. */
export function agentFiles(root = fileURLToPath(new URL("../../../", import.meta.url))): TarEntry[] {
  const files = PARTS.flatMap((part) => filesUnder(join(root, part), part, PART_FILES)).filter(
    ({ path }) => !path.endsWith(".d.ts") && !path.endsWith("config.schema.json"),
  );
  const names = new Set(files.flatMap(({ content }) => importedPackages(Buffer.from(content).toString("utf8"))));
  const manifest = [join(root, "package.json"), join(root, "..", "package.json")].find((path) => existsSync(path));
  return [
    ...files,
    { path: "package.json", content: shortManifest(manifest as string) },
    ...packagesFor([...names].sort(), root).flatMap(({ path, dir }) => filesUnder(dir, path, PACKAGE_FILES)),
  ];
}

/** The packages that a source imports at its start; what it loads later it can do without. */
export function importedPackages(source: string): string[] {
  return [...source.matchAll(IMPORT)]
    .map((match) => (match[1] ?? match[2]) as string)
    .filter((name) => !name.startsWith("node:"))
    .map((name) => name.split("/", name.startsWith("@") ? 2 : 1).join("/"));
}

/** Where each package goes, so that it is found as it was here: the first of a name at the top, others beside who needs them. */
function packagesFor(names: readonly string[], root: string): { path: string; dir: string }[] {
  const placed = new Map<string, string>();
  const place = (name: string, from: string, parent: string) => {
    const dir = find(name, from);
    // An optional package that is not installed here is not needed there.
    if (!dir) return;
    const top = `node_modules/${name}`;
    const taken = placed.get(top);
    if (taken === dir) return;
    const path = taken === undefined ? top : `${parent}/node_modules/${name}`;
    if (placed.get(path) === dir) return;
    placed.set(path, dir);
    for (const dependency of Object.keys(dependenciesOf(dir))) place(dependency, dir, path);
  };
  for (const name of names) place(name, root, "");
  return [...placed].map(([path, dir]) => ({ path, dir }));
}

function find(name: string, from: string): string | undefined {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (dirname(dir) === dir) return undefined;
  }
}

function dependenciesOf(dir: string): Package["dependencies"] {
  const manifest = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as Partial<Package>;
  return manifest.dependencies ?? {};
}

function shortManifest(path: string): Buffer {
  const { name, version, license, type } = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  return Buffer.from(`${JSON.stringify({ name, version, license, type, private: true }, null, 2)}\n`);
}

function filesUnder(dir: string, prefix: string, extensions: ReadonlySet<string>): TarEntry[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .filter((path) => extensions.has(extname(path)) || /^licen[cs]e/i.test(basename(path)))
    .filter(
      (path) =>
        !dirname(path)
          .split(sep)
          .some((folder) => SKIPPED.has(folder)),
    )
    .map((path) => ({ path: `${prefix}/${path.replaceAll(sep, "/")}`, content: readFileSync(join(dir, path)) }));
}
