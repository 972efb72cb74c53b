import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { MANAGERS, OLDEST_PYTHON } from "../support/managers.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { createStandIn, type StandIn } from "../support/stand-ins/stand-in.ts";
import { waitFor } from "../support/wait-for.ts";

let standIn: StandIn | undefined;
let stack: TestStack | undefined;
let farcall: Farcall | undefined;
const dirs: string[] = [];
afterEach(async () => {
  await farcall?.close();
  await stack?.stop();
  await standIn?.stop();
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
});

/** An endpoint whose blocks come from a stand-in for Torque, and whose nodes only a stand-in for aprun reaches. */
async function start(config: Record<string, unknown>) {
  standIn = createStandIn({ kind: "torque", settings: { np: 32 } });
  // As on Blue Waters: what follows runs in an image on the compute node.
  writeFileSync(join(standIn.bin, "bwpy-environ"), '#!/bin/sh\nshift\nexport PBS_IMAGE=bwpy\nexec "$@"\n', {
    mode: 0o755,
  });
  const site = {
    provider: {
      type: "torque",
      binDir: standIn.bin,
      nodeType: "xe",
      statusIntervalMs: 10_000,
      prologue: `PATH=${standIn.bin}:$PATH`,
    },
    link: { address: "127.0.0.1" },
    policy: { nodesPerBlock: 2, maxBlocks: 1, walltimeMs: 600_000 },
    node: { cores: 32, memoryMb: 1_024 },
    ...config,
  };
  stack = await startStack({ endpoints: [{ name: "site", config: site }] });
  farcall = new Farcall({ url: stack.url, token: stack.token });
  return farcall;
}

describe.each(MANAGERS)("an endpoint at a stand-in for a Cray with Torque and ALPS (manager: %s)", (manager) => {
  const workers = manager === "python" ? { python: OLDEST_PYTHON } : {};
  it("runs tasks on all nodes of a block, whose managers aprun starts; they reach the agent over TLS, and its successor", async () => {
    const client = await start({
      manager,
      workers,
      launcher: { type: "aprun", overrides: ["--", "bwpy-environ", "--"] },
      node: { cores: 2, memoryMb: 1_024 },
    });
    const meeting = mkdtempSync(join(tmpdir(), "farcall-meeting-"));
    dirs.push(meeting);
    // More than one node holds: it ends when all four run at the same time.
    const where = client.command(
      "touch {d}/$FARCALL_TASK; until [ $(ls {d} | wc -l) -ge {n} ]; do sleep 0.1; done; echo $PBS_IMAGE/$FARCALL_BLOCK",
    );
    const calls = Promise.all(Array.from({ length: 4 }, () => where({ d: meeting, n: 5 })));
    const running = stack as TestStack;
    await waitFor(() => readdirSync(meeting).length === 4);
    // A1: its managers find the agent again, on the same port and with the same certificate, and go on.
    await running.kill("agent");
    await running.restart("agent");
    writeFileSync(join(meeting, "go"), "");
    const results = await calls;
    expect(results.map(({ stdout }) => stdout.trim().split("/").at(-1)).sort()).toEqual(["0", "0", "1", "1"]);
    for (const { stdout } of results) expect(stdout).toMatch(/^bwpy\//);
    expect(readdirSync(meeting).length).toBe(5);
  });

  it("starts MPI commands from beside the nodes, as aprun works nowhere else and has a node for itself", async () => {
    const client = await start({
      manager,
      workers,
      launcher: { type: "single" },
      mpi: { launcher: "aprun", overrides: ["-q", "-b"] },
    });
    const ranks = client.command("{launcher} /bin/sh -c 'sleep 0.3; echo $ALPS_APP_PE on $STAND_IN_HOST' | sort");
    const wide = ranks.with({ resources: { nodes: 2, ranksPerNode: 2 } })();
    const narrow = ranks.with({ resources: { nodes: 1, ranksPerNode: 1 } });
    const [all, ...single] = await Promise.all([wide, narrow(), narrow()]);
    const lines = all.stdout.trim().split("\n");
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["0", "1", "2", "3"]);
    expect(new Set(lines.map((line) => line.split(" ")[2])).size).toBe(2);
    for (const { stdout } of single) expect(stdout).toMatch(/^0 on \S+\n$/);
    await expect(client.command("echo no")()).rejects.toThrow(/nothing but commands that ask for `nodes`/);
  });
});
