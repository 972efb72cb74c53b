import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../support/wait-for.ts";
import { startTestBlock, type TestBlock, type TestBlockOptions } from "./test-block.ts";

const has = (command: string) => spawnSync(command, ["--version"]).status === 0;
const installed = ["mpich", "openmpi"].filter((name) => has(`mpiexec.${name}`) && has(`mpicc.${name}`));
/** On one machine, and as root where the tests run so. */
const OVERRIDES: Record<string, string[]> = {
  mpich: ["-launcher", "fork"],
  openmpi: ["--allow-run-as-root", "--oversubscribe"],
};
const PROGRAM = `
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
  int rank, size, sum;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) printf("%d ranks, sum %d\\n", size, sum);
  MPI_Finalize();
  return 0;
}
`;
const NAMES = ["localhost", "127.0.0.1", "127.0.0.2", "127.0.0.3"];
/** Starts the nodes of the block, each with a name of its own. */
const ibrun = (nodes: number) => {
  const lines = NAMES.slice(0, nodes).map((name, rank) => `SLURMD_NODENAME=${name} PMI_RANK=${rank} "$last" &`);
  return `#!/bin/sh\nfor last; do :; done\n${lines.join("\n")}\nwait\n`;
};
const dir = mkdtempSync(join(tmpdir(), "farcall-mpi-"));
afterAll(() => rmSync(dir, { recursive: true }));
let block: TestBlock | undefined;
afterEach(async () => {
  await block?.stop();
  block = undefined;
});
async function start(options: Omit<TestBlockOptions, "launcher">, managers = options.nodes) {
  const commands = { ibrun: ibrun(options.nodes), ...options.commands };
  const started = await startTestBlock({ launcher: "ibrun", ...options, commands });
  block = started;
  const run = started.launch();
  await waitFor(() => started.connected().length === managers).catch((error) => {
    throw new Error(`${error.message}: ${run.output()}`);
  });
  return started;
}
let meetings = 0;
/** A command that ends when so many run at the same time. */
const together = (count: number) => {
  const place = join(dir, `meeting-${++meetings}`);
  return `mkdir -p ${place}; touch ${place}/$FARCALL_TASK; until [ $(ls ${place} | wc -l) -ge ${count} ]; do sleep 0.05; done`;
};
const on = (nodes: number, ranksPerNode = 1) => ({
  resources: { cores: 1, memoryMb: 0, gpus: 0, nodes, ranksPerNode },
});

describe.runIf(installed.length > 0).each(installed)("a real MPI program of %s", (name) => {
  it("runs on two nodes of a block, all its ranks in one world", async () => {
    const program = join(dir, name);
    writeFileSync(`${program}.c`, PROGRAM);
    execFileSync(`mpicc.${name}`, ["-o", program, `${program}.c`]);
    const { run } = await start({
      nodes: 2,
      mpi: { launcher: "mpiexec", overrides: OVERRIDES[name] as string[] },
      commands: { mpiexec: `#!/bin/sh\nexec mpiexec.${name} "$@"\n` },
    });
    const [result] = await run("{launcher} {program}", [{ program }], on(2, 2));
    expect(result).toMatchObject({ outcome: "succeeded", value: { stdout: "4 ranks, sum 6\n" } });
    const [again] = await run("$FARCALL_MPI_PREFIX {program}", [{ program }], on(1, 3));
    expect(again?.value?.stdout).toBe("3 ranks, sum 3\n");
  });
});

describe("commands on several nodes", () => {
  it("run side by side on nodes of their own; the rest of the block takes other work", async () => {
    const { run, interchange } = await start({ nodes: 4, cores: 2 });
    const wide = run(`${together(2)}; echo $FARCALL_HOSTS; cat $FARCALL_HOST_FILE`, [{}, {}], on(2, 2));
    const small = run("sleep 0.1; echo small", [{}, {}, {}]);
    const hosts = (await wide).map(({ value }) => value?.stdout.split("\n") ?? []);
    const used = hosts.flatMap(([list]) => list?.split(",") ?? []);
    // Four nodes, no two tasks on one, and a line of the host file for each rank.
    expect(used.sort()).toEqual([...NAMES].sort());
    for (const [list, ...lines] of hosts) {
      const [first, second] = list?.split(",") ?? [];
      expect(lines).toEqual([first, first, second, second, ""]);
    }
    expect((await small).map(({ outcome }) => outcome)).toEqual(Array(3).fill("succeeded"));
    for (const manager of interchange.managers) expect(manager.free).toEqual(manager.capacity);
  });

  it("are given words and variables that say how many ranks there are, and their share of the cores", async () => {
    const { run } = await start({ nodes: 2, cores: 4, mpi: { launcher: "srun", overrides: ["--mpi=pmi2"] } });
    const template = "echo {launcher} {x}; echo $FARCALL_NODES $FARCALL_RANKS_PER_NODE $FARCALL_RANKS $OMP_NUM_THREADS";
    const [result] = await run(template, [{ x: "a b" }], on(2, 2));
    expect(result?.value?.stdout).toBe(
      "srun --overlap --nodes=2 --ntasks=4 --ntasks-per-node=2 --cpus-per-task=2 --nodelist=localhost,127.0.0.1 " +
        "--mpi=pmi2 a b\n2 2 4 2\n",
    );
  });

  it("are started by one manager beside the nodes where only that reaches them; it runs nothing else", async () => {
    const options = { nodes: 3, cores: 32, mpi: { launcher: "aprun" } };
    const { run, connected } = await start({ ...options, launcher: "single" } as never, 1);
    expect(connected()[0]?.hello.capacity).toEqual({ cores: 32, memoryMb: 2_048, gpus: 0, nodes: 3 });
    const results = await run(`${together(3)}; echo {launcher} ./a.out`, [{}, {}, {}], on(1, 8));
    expect(results.map(({ value }) => value?.stdout)).toEqual(Array(3).fill("aprun -n 8 -N 8 -d 4 ./a.out\n"));
    const [all] = await run("echo {launcher}", [{}], on(3, 1));
    expect(all?.value?.stdout).toBe("aprun -n 3 -N 1 -d 32\n");
  });
});
