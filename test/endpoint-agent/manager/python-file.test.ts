/** The one file of the manager in Python: what is in it, and that every Python there is here takes it. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { pythonManagerFile } from "../../../endpoint-agent/python-manager.ts";
import { OLDEST_PYTHON, PYTHONS, pythonManager } from "../../support/managers.ts";
import { startTestAgent } from "./test-agent.ts";

const FOLDERS = [
  "endpoint-agent/manager/python",
  "endpoint-agent/manager/python/farcall_manager",
  "endpoint-agent/worker",
];
const SOURCES = FOLDERS.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".py"))
    .map((name) => join(folder, name)),
);
const pyflakes = PYTHONS.find((python) => spawnSync(python, ["-m", "pyflakes", "--version"]).status === 0);
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});
const temporary = () => {
  const dir = mkdtempSync(join(tmpdir(), "farcall-python-file-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
};

describe("the manager's one file", () => {
  it("is the same whenever it is made, and holds every module as it is, and nothing else", () => {
    expect(Buffer.from(pythonManagerFile()).equals(Buffer.from(pythonManagerFile()))).toBe(true);
    const program = `import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as file:
    assert file.testzip() is None
    print(json.dumps([[each.filename, oct(each.external_attr >> 16), file.read(each).decode("utf-8")] for each in file.infolist()]))`;
    const said = execFileSync(OLDEST_PYTHON, ["-c", program, pythonManager()], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const inFile = (JSON.parse(said) as string[][]).map(([name, mode, text]) => ({ name, mode, text }));
    const wanted = SOURCES.map((path) => ({
      name: path.replace(/^endpoint-agent\/(manager\/python|worker)\//, ""),
      mode: "0o100600",
      text: readFileSync(path, "utf8"),
    }));
    const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
      (a.name ?? "") < (b.name ?? "") ? -1 : 1;
    expect(inFile.sort(byName)).toEqual(wanted.sort(byName));
  });

  it("is made of modules of less than 300 lines, each of which says what it is", () => {
    for (const path of SOURCES) {
      const text = readFileSync(path, "utf8");
      expect([path, text.split("\n").length < 300]).toEqual([path, true]);
      expect([path, /^(#.*\n)*"""/.test(text)]).toEqual([path, true]);
    }
  });

  it.each(PYTHONS)("is read without a warning by %s", (python) => {
    const program =
      "import sys\nfor path in sys.argv[1:]:\n    with open(path, encoding='utf-8') as file:\n        compile(file.read(), path, 'exec')";
    const { status, stderr } = spawnSync(python, ["-W", "error", "-c", program, ...SOURCES], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  it.skipIf(pyflakes === undefined)("has nothing that pyflakes finds fault with", () => {
    const { stdout, stderr } = spawnSync(pyflakes as string, ["-m", "pyflakes", ...SOURCES], { encoding: "utf8" });
    expect(stdout + stderr).toBe("");
  });

  it("is not misled by what the site has on PYTHONPATH, where functions find their modules", async () => {
    const dir = temporary();
    for (const name of ["asyncio", "ssl", "zipfile", "shutil"])
      writeFileSync(join(dir, `${name}.py`), "raise SystemExit(3)\n");
    writeFileSync(join(dir, "ours.py"), "ANSWER = 42\n");
    const before = process.env.PYTHONPATH;
    process.env.PYTHONPATH = dir;
    const agent = await startTestAgent({ type: "python" }).finally(() => {
      if (before === undefined) delete process.env.PYTHONPATH;
      else process.env.PYTHONPATH = before;
    });
    cleanup.push(() => agent.stop());
    const fn = agent.register({ runtime: "python", entry: "f" }, "import ours\ndef f():\n    return ours.ANSWER\n");
    expect((await agent.call(fn, [])).value).toBe(42);
  });
});
