/** Real MPI programs, whose ranks srun starts through its own PMI2 and PMIx, on several nodes of a block of a real Slurm. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { whyNoSlurm } from "../../support/slurm.ts";
import { startSite } from "./support.ts";

const has = (command: string) => spawnSync(command, ["--version"]).status === 0;
const KINDS = [
  { name: "mpich", pmi: "pmi2", env: {} },
  // Its shared memory takes two nodes of one machine for one.
  { name: "openmpi", pmi: "pmix", env: { OMPI_MCA_btl: "tcp,self", OMPI_MCA_btl_tcp_if_include: "lo" } },
];
const without = ({ name }: { name: string }) =>
  whyNoSlurm() ?? (has(`mpicc.${name}`) ? undefined : `no mpicc.${name}: apt-get install ${name} lib${name}-dev`);

/** Says where each rank runs, in order; meets the other program of the same place first, so that both have to run at once. */
const PROGRAM = `
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int rank, size, sum;
  char mine[64] = "", all[64 * 64];
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  strncpy(mine, getenv("SLURMD_NODENAME"), 63);
  MPI_Gather(mine, 64, MPI_CHAR, all, 64, MPI_CHAR, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    fclose(fopen(argv[1], "w"));
    while (access(argv[2], F_OK) != 0) usleep(50000);
    printf("%d ranks, sum %d:", size, sum);
    for (int i = 0; i < size; i++) printf(" %s", all + 64 * i);
    printf("\\n");
  }
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
  return 0;
}
`;
const dir = mkdtempSync(join(tmpdir(), "farcall-mpi-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe.each(KINDS.map((kind) => ({ ...kind, missing: without(kind) })))("$name and srun --mpi=$pmi", (kind) => {
  const { name, pmi, env, missing } = kind;
  it.skipIf(missing)(
    `two programs side by side, each on two nodes with four ranks a node${missing ? ` (${missing})` : ""}`,
    async () => {
      const program = join(dir, name);
      writeFileSync(`${program}.c`, PROGRAM);
      execFileSync(`mpicc.${name}`, ["-o", program, `${program}.c`]);
      await using site = await startSite({
        slurm: {
          nodes: 4,
          cpusPerNode: 4,
          // PMIx has its sockets there, and all nodes are one machine.
          conf: ["TmpFS=@DIR@/tmp-%n"],
          prepare: (place) => {
            for (let node = 1; node <= 4; node++) mkdirSync(join(place, `tmp-n${node}`), { mode: 0o755 });
          },
        },
        policy: { nodesPerBlock: 4, maxIdleTimeMs: 60_000 },
        config: {
          node: { cores: 4, memoryMb: 500 },
          launcher: { type: "srun" },
          workers: { env },
          mpi: { launcher: "srun", overrides: [`--mpi=${pmi}`] },
        },
      });
      const { farcall } = site;
      const run = farcall
        .command("{launcher} {program} {mine} {theirs}")
        .with({ resources: { nodes: 2, ranksPerNode: 4 }, timeoutMs: 90_000 });
      for (const round of [1, 2]) {
        const [a, b] = ["a", "b"].map((each) => join(dir, `${name}-${each}-${round}`)) as [string, string];
        const calls = [run({ program, mine: a, theirs: b }), run({ program, mine: b, theirs: a })];
        const lines = (await Promise.all(calls)).map(({ stdout }) => /^8 ranks, sum 28:(.*)\n$/.exec(stdout)?.[1]);
        const places = lines.map((line) => (line ?? "").trim().split(" "));
        // Four ranks on each of two nodes, which no two programs share.
        for (const nodes of places)
          expect(nodes.map((node) => nodes.filter((each) => each === node).length)).toEqual(Array(8).fill(4));
        expect([...new Set(places.flat())].sort()).toEqual(["n1", "n2", "n3", "n4"]);
      }
    },
  );
});
