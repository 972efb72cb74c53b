import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../support/wait-for.ts";
import { startTestBlock, type TestBlock } from "./test-block.ts";

/** Names of what is installed: Debian keeps several side by side as mpiexec.<name>. */
const installed = ["mpiexec.mpich", "mpiexec.openmpi"].filter((name) => spawnSync(name, ["--version"]).status === 0);

let block: TestBlock | undefined;
afterEach(async () => {
  await block?.stop();
  block = undefined;
});

describe.runIf(installed.length > 0).each(installed)("a block of two nodes that the real %s starts", (name) => {
  it("has a manager on each; the end of one does not end the other", async () => {
    const open = name === "mpiexec.openmpi";
    block = await startTestBlock({
      nodes: 2,
      launcher: "mpiexec",
      // Two names of this machine are two nodes to MPICH; to Open MPI they are one with two ranks.
      overrides: open ? ["--allow-run-as-root", "--map-by", "ppr:2:node", "--oversubscribe"] : ["-launcher", "fork"],
      commands: { mpiexec: `#!/bin/sh\nexec ${name} "$@"\n` },
    });
    const nodes = join(block.dir, "nodes");
    writeFileSync(nodes, "localhost\nlocalhost\n127.0.0.1\n");
    const run = block.launch({ PBS_NODEFILE: nodes });
    const connected = block.connected;
    await waitFor(() => connected().length === 2).catch((error) => {
      throw new Error(`${error.message}: ${run.output()}`);
    });
    const [first, second] = connected();
    expect([first?.hello.node, second?.hello.node].sort()).toEqual([0, 1]);
    process.kill(first?.hello.pid as number, "SIGKILL");
    await waitFor(() => connected().length === 1);
    expect((await block.run("echo $OMPI_MCA_hwloc_base_binding_policy$I_MPI_PIN", [{}]))[0]).toMatchObject({
      node: second?.hello.node,
      value: { stdout: "\n" },
    });
  });
});
