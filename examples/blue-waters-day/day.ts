/** A day: two endpoints deployed, work done on two nodes, no block left, the endpoints removed. */
import { EXIT } from "../../cli/exit-codes.ts";
import type { Farcall } from "../../sdk/index.ts";
import type { Agents, DayEndpoint } from "./agents.ts";
import { type BlockWatch, createBlockWatch } from "./block-watch.ts";
import { CommandFailed, Interrupted, runFarcall } from "./farcall-program.ts";
import type { Place } from "./place.ts";
import { mpiProgram, pythonTasks, ranksWithoutMpi, shellCommand } from "./work.ts";

/**
 * Two, because `aprun` works on the machine of the batch script only, and ALPS gives a node to one application at a time: managers
 * that wait for tasks on all nodes leave none for MPI (docs/adr/0013).
 */
const TASKS: DayEndpoint = { name: "blue-waters", site: "blue-waters" };
const MPI: DayEndpoint = { name: "blue-waters-mpi", site: "blue-waters:mpi" };

type Day = { farcall: Farcall; place: Place; agents: Agents; signal: AbortSignal };

/** Runs it, and leaves nothing at the site. */
export async function spendDay({ farcall, place, agents, signal }: Day): Promise<void> {
  const deployed: string[] = [];
  let interrupted = false;
  try {
    for (const endpoint of [TASKS, MPI]) {
      signal.throwIfAborted();
      deployed.unshift(endpoint.name);
      for (const args of agents.begin(endpoint, place)) await run(args, place, signal);
    }
    await work(farcall, place, createBlockWatch(farcall, signal));
  } catch (error) {
    interrupted = signal.aborted || error instanceof Interrupted;
    throw error;
  } finally {
    if (!(interrupted && place.passing)) await removeAll(place, agents, deployed);
  }
}

async function run(args: readonly string[], { env }: Place, signal: AbortSignal): Promise<void> {
  const code = await runFarcall(args, { env, signal });
  if (code !== EXIT.ok)
    throw new CommandFailed(`farcall ${args.slice(0, 2).join(" ")} ended with ${code}; it said why`);
}

async function work(farcall: Farcall, place: Place, watch: BlockWatch): Promise<void> {
  console.log("\nThere is no block yet. The first call makes the agent ask for one, of 2 nodes of 32 cores.");
  await watched(TASKS.name, watch, async () => {
    await pythonTasks(farcall, TASKS.name);
    await shellCommand(farcall, TASKS.name);
  });
  const ranks = place.mpi ? mpiProgram : ranksWithoutMpi;
  await watched(MPI.name, watch, () => ranks(farcall, MPI.name, place.ranksPerNode));
  for (const { name } of [TASKS, MPI]) {
    await watch.until(name, (blocks) => blocks === 0);
    console.log(`${name}: no block is left`);
  }
  for (const line of place.records()) console.log(line);
}

/** Does something while the endpoint's blocks are watched. */
async function watched(endpoint: string, watch: BlockWatch, something: () => Promise<void>): Promise<void> {
  let over = false;
  const done = something().finally(() => {
    over = true;
  });
  await Promise.all([done, watch.until(endpoint, () => over)]);
}

/** Each in turn, whatever becomes of the others. */
async function removeAll({ env }: Place, agents: Agents, names: readonly string[]): Promise<void> {
  for (const name of names) {
    for (const args of agents.end(name)) {
      const code = await runFarcall(args, { env }).catch(() => EXIT.interrupted);
      if (code === EXIT.ok || code === EXIT.notFound) continue;
      process.stderr.write(`${name} may still be there: \`farcall ${args.join(" ")}\` removes it\n`);
    }
  }
}
