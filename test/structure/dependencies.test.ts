import { describe, expect, it } from "vitest";
import { importsOf, read, sources } from "../support/repository.ts";

type Lock = { packages: Record<string, { version: string; hasInstallScript?: boolean; resolved?: string }> };

const manifest = JSON.parse(read("package.json")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};
const lock = JSON.parse(read("package-lock.json")) as Lock;
const named = { ...manifest.dependencies, ...manifest.devDependencies };

describe("dependencies", () => {
  it("each have a reason in docs/dependencies.md, and nothing else has", () => {
    const rows = [...read("docs/dependencies.md").matchAll(/^\| `([^`]+)` \| [^|]+ \| [^|]{10,} \|$/gm)];
    expect(rows.map(([, name]) => name).sort()).toEqual(Object.keys(named).sort());
  });

  it("are pinned to one version", () => {
    for (const [name, range] of Object.entries(named)) expect(range, name).toMatch(/^(npm:[@\w/-]+@)?\d+\.\d+\.\d+$/);
  });

  it("may not run install scripts, but for node", () => {
    expect(manifest.allowScripts).toEqual({ node: true, esbuild: false, ssh2: false, "cpu-features": false });
    const scripted = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript);
    // esbuild's script stays off: its binary comes as an optional package; ssh2 does without the natives that its scripts build
    expect(scripted.map(([path]) => path.split("node_modules/").at(-1)).sort()).toEqual([
      "cpu-features",
      "esbuild",
      "node",
      "ssh2",
    ]);
  });

  it("come from the npm registry, with a checksum", () => {
    for (const [path, entry] of Object.entries(lock.packages)) {
      if (path === "") continue;
      expect(entry, path).toMatchObject({ integrity: expect.stringMatching(/^sha512-/) });
      // absent: from whatever registry npm is set up with
      expect(entry.resolved ?? "https://registry.npmjs.org/", path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
    }
  });

  it("are each imported somewhere, and nothing that is not named is", () => {
    const used = new Set(
      sources()
        .flatMap((path) => importsOf(read(path)))
        .filter((name) => /^[@a-z]/.test(name) && !name.startsWith("node:"))
        .map((name) => name.split("/", name.startsWith("@") ? 2 : 1).join("/")),
    );
    // what is run rather than imported
    for (const tool of ["@biomejs/biome", "@types/node", "@types/ssh2", "@types/ws", "node", "typescript"])
      used.add(tool);
    used.delete("farcall");
    expect([...used].sort()).toEqual(Object.keys(named).sort());
  });
});
