/** What is run at the site: Python on cores of both nodes, a shell command, an MPI program. */
import { readFileSync } from "node:fs";
import type { Farcall } from "../../sdk/index.ts";

const SLICES = 8;
const CORES_EACH = 8;
const STEPS = 32_000_000;
const PI_C = readFileSync(new URL("pi.c", import.meta.url), "utf8");

const SLICE = `
import subprocess

def slice_of_pi(part, parts, steps):
    total = 0.0
    for i in range(part, steps, parts):
        x = (i + 0.5) / steps
        total += 4 / (1 + x * x)
    node = subprocess.check_output(["hostname"]).decode().strip()
    return {"sum": total / steps, "node": node}
`;

/** Eight Python tasks of eight cores each: as many as two nodes of 32 cores hold at once. */
export async function pythonTasks(farcall: Farcall, endpoint: string): Promise<void> {
  type Slice = (part: number, parts: number, steps: number) => { sum: number; node: string };
  const slice = farcall.python<Slice>(SLICE).with({ endpoint, resources: { cores: CORES_EACH } });
  const tasks = Array.from({ length: SLICES }, (_, part) => slice.submit(part, SLICES, STEPS));
  const results = await Promise.all(tasks);
  const pi = results.reduce((sum, result) => sum + result.sum, 0);
  console.log(`Python: pi is ${pi.toFixed(10)}, from ${SLICES} tasks of ${CORES_EACH} cores`);
  for (const [part, task] of tasks.entries()) {
    const { block, worker } = await whereRan(farcall, task.id);
    console.log(`  slice ${part} ran on ${results[part]?.node}, in block ${block}, worker ${worker}`);
  }
}

/** A shell command on one of the nodes. */
export async function shellCommand(farcall: Farcall, endpoint: string): Promise<void> {
  const command = farcall.command('echo "$FARCALL_CORES cores of $(hostname) under $(uname -s)"');
  const task = command.with({ endpoint, resources: { cores: 32 } }).submit();
  const { stdout } = await task;
  const { block } = await whereRan(farcall, task.id);
  console.log(`Shell: ${stdout.trim()}, in block ${block}`);
}

/** An MPI program, compiled where it is started; `{launcher}` becomes what places its ranks: aprun -n -N -d. */
export async function mpiProgram(farcall: Farcall, endpoint: string, ranksPerNode: number): Promise<void> {
  const pi = farcall.command(
    "printf '%s' {source} >pi.c && cc -O2 -o pi pi.c && echo {launcher} >&2 && {launcher} ./pi {steps}",
  );
  const task = pi.with({ endpoint, resources: { nodes: 2, ranksPerNode } }).submit({ source: PI_C, steps: STEPS });
  const { stdout, stderr } = await task;
  const { block } = await whereRan(farcall, task.id);
  console.log(`MPI: ${stdout.trim()}, in block ${block}, placed by ${stderr.trim().split("\n").at(-1)}`);
}

/** The ranks alone, where there is no MPI to compile with. */
export async function ranksWithoutMpi(farcall: Farcall, endpoint: string, ranksPerNode: number): Promise<void> {
  const ranks = farcall.command("{launcher} sh -c hostname | sort | uniq -c");
  const { stdout } = await ranks.with({ endpoint, resources: { nodes: 2, ranksPerNode } })();
  console.log(`No MPI is installed here. Ranks without it: ${stdout.trim().split(/\s+/).join(" ")}`);
}

async function whereRan(farcall: Farcall, id: string) {
  const { block, worker } = await farcall.tasks.get(id);
  return { block: block ?? "?", worker: worker ?? "?" };
}
