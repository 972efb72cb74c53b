import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { ERRORS } from "../../protocol/errors.ts";

const root = new URL("../..", import.meta.url).pathname;
const bin = join(root, "bin", "farcall.mjs");
const oldNode = findOldNode();
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-bin-"));
  await cp(bin, join(dir, "bin", "farcall.mjs"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("bin/farcall.mjs", () => {
  it("holds nothing that a very old Node.js cannot parse", () => {
    const source = readFileSync(bin, "utf8").replace(/^\s*\/\/.*$/gm, "");
    expect(source).not.toMatch(/^import\s/m);
    expect(source).not.toMatch(/\?\.|\?\?|\bawait\b|["']node:/);
  });

  it("asks for the version that package.json asks for", () => {
    const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { engines: { node: string } };
    const minimum = /MINIMUM = \[(\d+), (\d+)\]/.exec(readFileSync(bin, "utf8"));
    expect(engines.node).toBe(`>=${minimum?.[1]}.${minimum?.[2]}`);
  });

  it.runIf(oldNode)("refuses an old Node.js with NODE_TOO_OLD and what to do, before it imports anything", () => {
    const result = spawnSync(oldNode as string, [join(dir, "bin", "farcall.mjs"), "version"], { encoding: "utf8" });
    expect(result.status).toBe(EXIT.machine);
    expect(result.stderr).toContain("NODE_TOO_OLD");
    expect(result.stderr).toContain(ERRORS.NODE_TOO_OLD.next);
    expect(result.stdout).toBe("");
  });

  it.runIf(oldNode)("started in the repository by an old Node.js, goes on with the one that npm ci brought", () => {
    const env = { ...process.env, FARCALL_URL: "http://127.0.0.1:1" };
    const result = spawnSync(oldNode as string, [bin, "version", "--json"], { encoding: "utf8", env });
    expect(result.stderr).toBe("");
    expect(Number(JSON.parse(result.stdout).node.split(".")[0])).toBeGreaterThanOrEqual(22);
  });

  it.runIf(oldNode)("passes the exit code on", () => {
    expect(spawnSync(oldNode as string, [bin, "no-such-command"]).status).toBe(EXIT.usage);
  });
});

/** A Node.js older than 22.19, if this machine has one. */
function findOldNode(): string | undefined {
  const seen = new Set<string>();
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      if (!/^node(js)?(-?\d+)?$/.test(name)) continue;
      const path = realpathSync(join(directory, name));
      if (seen.has(path)) continue;
      seen.add(path);
      const [, major] = /^v(\d+)/.exec(spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? "") ?? [];
      if (Number(major) < 22) return path;
    }
  }
  return undefined;
}
