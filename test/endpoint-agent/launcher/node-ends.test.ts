import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readNodeEnds } from "../../../endpoint-agent/launcher/node-ends.ts";
import { nodeScript } from "../../../endpoint-agent/launcher/node-script.ts";

describe("B15: the note of a node whose manager has failed", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-node-"));
    mkdirSync(join(dir, "incarnations", "1"), { recursive: true });
    writeFileSync(join(dir, "incarnations", "current"), "1\n");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const logOf = (node: number) => join(dir, `log-${node}.log`);
  const run = (shell: string, command: string[], init?: string) => {
    const text = nodeScript({
      launcher: "srun",
      nodes: 4,
      dir,
      command,
      logPrefix: join(dir, "log-"),
      mark: { variable: "FARCALL_BLOCK", prefix: "e/b/" },
      init,
      scratch: undefined,
    });
    const env = { PATH: process.env.PATH, SLURM_PROCID: "2", SLURMD_NODENAME: "nid00007" };
    return spawnSync(shell, ["-c", text], { env, encoding: "utf8" }).status;
  };

  it.each(["/bin/sh", "/bin/bash"])("names the node, how it ended and its last words (%s)", (shell) => {
    expect(run(shell, ["/bin/sh", "-c", "echo 'node: not found' >&2; exit 127"])).toBe(127);
    expect(readNodeEnds(dir, logOf)).toEqual([
      { node: 2, host: "nid00007", reason: "node nid00007: exit code 127: node: not found" },
    ]);
  });

  it.each(["/bin/sh", "/bin/bash"])("is written when workers.init ends it, and not for a good end (%s)", (shell) => {
    expect(run(shell, ["/bin/true"])).toBe(0);
    expect(readNodeEnds(dir, logOf)).toEqual([]);
    expect(run(shell, ["/bin/true"], "exit 3")).toBe(3);
    expect(readNodeEnds(dir, logOf)).toMatchObject([{ host: "nid00007", reason: "node nid00007: exit code 3" }]);
  });

  it("says nothing of what cannot be read, and only of the last incarnation", () => {
    expect(readNodeEnds(join(dir, "nowhere"), logOf)).toEqual([]);
    for (const text of ["", "nid00007", "nid00007 x\n", "\0\0"]) {
      writeFileSync(join(dir, "incarnations", "1", "end-0"), text);
      expect(readNodeEnds(dir, logOf)).toEqual([]);
    }
    writeFileSync(join(dir, "incarnations", "1", "end-0"), "nid00007 1\n");
    mkdirSync(join(dir, "incarnations", "2"));
    writeFileSync(join(dir, "incarnations", "current"), "2\n");
    expect(readNodeEnds(dir, logOf)).toEqual([]);
  });
});
