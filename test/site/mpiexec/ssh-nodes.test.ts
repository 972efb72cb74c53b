/** mpiexec with a host file, to nodes that it reaches by ssh: MPICH's Hydra, and Open MPI's plm rsh. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestBlock } from "../../endpoint-agent/launcher/test-block.ts";
import { startSshNodes, whyNoSshNodes } from "../../support/ssh-nodes.ts";
import { waitFor } from "../../support/wait-for.ts";

const has = (command: string) => spawnSync(command, ["--version"]).status === 0;
const missing = (name: string) =>
  whyNoSshNodes() ??
  (has(`mpiexec.${name}`) && has(`mpicc.${name}`) ? undefined : `no ${name}: apt-get install ${name} and its -dev`);
/** What the site's own settings would say. */
const SETTINGS: Record<string, (ssh: string) => { overrides: string[]; env: string }> = {
  mpich: (ssh) => ({ overrides: ["-launcher", "ssh", "-launcher-exec", ssh, "-iface", "lo"], env: "" }),
  openmpi: (ssh) => ({
    overrides: ["--allow-run-as-root", "--mca", "plm", "rsh", "--mca", "plm_rsh_agent", ssh, "--oversubscribe"],
    // Its shared memory takes two nodes of one machine for one.
    env: "OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo",
  }),
};
const PROGRAM = `
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int rank, size, sum;
  char mine[64] = "", all[64 * 64];
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  gethostname(mine, 63);
  MPI_Gather(mine, 64, MPI_CHAR, all, 64, MPI_CHAR, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    printf("%d ranks, sum %d:", size, sum);
    for (int i = 0; i < size; i++) printf(" %s", all + 64 * i);
    printf("\\n");
  }
  MPI_Finalize();
  return 0;
}
`;
const NAMES = ["red", "green", "blue"];
const dir = mkdtempSync(join(tmpdir(), "farcall-mpi-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe.each(["mpich", "openmpi"])("a block of three nodes that mpiexec of %s reaches by ssh", (name) => {
  const why = missing(name);
  let nodes: Awaited<ReturnType<typeof startSshNodes>>;
  beforeAll(async () => {
    if (!why) nodes = await startSshNodes(NAMES);
  });
  afterAll(() => nodes?.stop());

  it.skipIf(why)(`has a manager on each, and MPI programs on its nodes${why ? ` (${why})` : ""}`, async () => {
    const { overrides, env } = (SETTINGS[name] as (typeof SETTINGS)[string])(nodes.ssh);
    const program = join(dir, name);
    writeFileSync(`${program}.c`, PROGRAM);
    execFileSync(`mpicc.${name}`, ["-o", program, `${program}.c`]);
    // A batch script runs on the first node of its block.
    const first = `if [ "$(hostname)" = ${NAMES[0]} ] || [ -n "$FARCALL_HOSTS" ]; then exec env ${env} mpiexec.${name} "$@"; fi`;
    const block = await startTestBlock({
      nodes: 3,
      launcher: "mpiexec",
      overrides,
      mpi: { launcher: "mpiexec", overrides },
      commands: { mpiexec: `#!/bin/sh\n${first}\n${nodes.on(NAMES[0] as string)} env ${env} mpiexec.${name} "$@"\n` },
    });
    try {
      const file = join(block.dir, "nodes");
      // As PBS writes it: a line for each slot.
      writeFileSync(file, `${NAMES.flatMap((each) => [each, each]).join("\n")}\n`);
      const run = block.launch({ PBS_NODEFILE: file });
      await waitFor(() => block.connected().length === 3).catch((error) => {
        throw new Error(`${error.message}: ${run.output()}`);
      });
      const numbers = block.connected().map(({ hello }) => hello.node);
      expect(numbers.sort()).toEqual([0, 1, 2]);
      const resources = (count: number, ranksPerNode: number) => ({
        resources: { cores: 1, memoryMb: 0, gpus: 0, nodes: count, ranksPerNode },
      });
      const [all] = await block.run("{launcher} {program}", [{ program }], resources(3, 2));
      expect(all?.failure).toBe(undefined);
      const ranks =
        /^6 ranks, sum 15:(.*)$/m
          .exec(all?.value?.stdout ?? "")?.[1]
          ?.trim()
          .split(" ") ?? [];
      expect(ranks.sort()).toEqual(NAMES.flatMap((each) => [each, each]).sort());
      // Side by side, and twice: no node serves two of them at once.
      for (const _ of [1, 2]) {
        const fields = [{ program }, { program }, { program }];
        const each = await block.run("{launcher} {program}", fields, resources(1, 2));
        const lines = each.map(({ value }) => value?.stdout ?? "");
        for (const line of lines) expect(line).toMatch(/^2 ranks, sum 1: (\S+) \1$/m);
      }
      // The end of one node's manager is not that of the others.
      const victim = block.connected().find(({ hello }) => hello.node !== 0);
      process.kill(victim?.hello.pid as number, "SIGKILL");
      await waitFor(() => block.connected().length === 2);
      const [after] = await block.run("{launcher} {program}", [{ program }], resources(2, 2));
      expect(after?.value?.stdout).toMatch(/^4 ranks, sum 6:/m);
    } finally {
      await block.stop();
    }
  });
});
