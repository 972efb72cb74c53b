import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bin, ROOT } from "../support/repository.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-lint-"));
  cpSync(join(ROOT, "biome.json"), join(dir, "biome.json"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** The rules that the repository's linter reports for these files. */
function lint(files: Record<string, string>): { status: number | null; rules: string[] } {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const args = ["lint", "--vcs-enabled=false", "--reporter=json", "--max-diagnostics=none", "."];
  const { status, stdout } = spawnSync(bin("biome"), args, { cwd: dir, encoding: "utf8" });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; severity: string }[] };
  return { status, rules: diagnostics.filter(({ severity }) => severity === "error").map(({ category }) => category) };
}

describe("the linter", () => {
  it("passes a clean file", () => {
    expect(lint({ "sdk/a.ts": "export const one = 1;\n" })).toEqual({ status: 0, rules: [] });
  });

  it("refuses an import cycle", () => {
    const { status, rules } = lint({
      "sdk/a.ts": 'import { b } from "./b.ts";\nexport const a = () => b;\n',
      "sdk/b.ts": 'import { a } from "./a.ts";\nexport const b = () => a;\n',
    });
    expect(status).toBe(1);
    expect(rules).toContain("lint/suspicious/noImportCycles");
  });

  it.each([
    ["protocol/a.ts", "../sdk/b.ts"],
    ["protocol/a.ts", "node:fs"],
    ["sdk/a.ts", "../gateway/b.ts"],
    ["sdk/deep/a.ts", "../../endpoint-agent/b.ts"],
    ["gateway/a.ts", "../endpoint-agent/b.ts"],
    ["gateway/a.ts", "../sdk/b.ts"],
    ["endpoint-agent/a.ts", "../gateway/b.ts"],
    ["endpoint-agent/a.ts", "../cli/b.ts"],
  ])("refuses that %s imports %s", (file, target) => {
    const { status, rules } = lint({ [file]: `import { b } from "${target}";\nexport const a = b;\n` });
    expect(status).toBe(1);
    expect(rules).toContain("lint/style/noRestrictedImports");
  });

  it("refuses a file of more than 300 lines", () => {
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `export const c${i} = ${i};\n`).join("");
    expect(lint({ "cli/a.ts": lines(300) }).rules).toEqual([]);
    expect(lint({ "cli/a.ts": lines(301) }).rules).toContain("lint/style/noExcessiveLinesPerFile");
  });

  it("refuses a promise that nobody waits for", () => {
    const { rules } = lint({ "cli/a.ts": "async function f(): Promise<void> {}\nexport function g() {\n  f();\n}\n" });
    expect(rules).toContain("lint/nursery/noFloatingPromises");
  });

  it("refuses a default export and an enum", () => {
    const { rules } = lint({ "cli/a.ts": "enum E {\n  A,\n}\nexport default E;\n" });
    expect(rules).toEqual(expect.arrayContaining(["lint/style/noDefaultExport", "lint/style/noEnum"]));
  });
});
