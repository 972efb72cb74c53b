/** A day: two endpoints deployed, work done on two nodes, no block left, the endpoints removed. */
import { EXIT } from "../../cli/exit-codes.ts";
import type { Farcall } from "../../sdk/index.ts";
import { type BlockWatch, createBlockWatch } from "./block-watch.ts";
import { Interrupted, runFarcall } from "./farcall-program.ts";
import type { Place } from "./place.ts";
import { mpiProgram, pythonTasks, ranksWithoutMpi, shellCommand } from "./work.ts";

/**
 * Two, because `aprun` works on the machine of the batch script only, and ALPS gives a node to one application at a time: managers
 * that wait for tasks on all nodes leave none for MPI (docs/adr/0013).
 */
const TASKS = { name: "blue-waters", site: "blue-waters" };
const MPI = { name: "blue-waters-mpi", site: "blue-waters:mpi" };
/** Short, so that the day ends soon: idle nodes are given back at once. */
const MAX_IDLE_MS = 3_000;

type Day = { farcall: Farcall; place: Place; signal: AbortSignal };

/** Runs it, and leaves nothing at the site. */
export async function spendDay({ farcall, place, signal }: Day): Promise<void> {
  const deployed: string[] = [];
  let interrupted = false;
  try {
    for (const endpoint of [TASKS, MPI]) {
      signal.throwIfAborted();
      deployed.unshift(endpoint.name);
      await deploy(endpoint, place, signal);
    }
    await work(farcall, place, createBlockWatch(farcall, signal));
  } catch (error) {
    interrupted = signal.aborted || error instanceof Interrupted;
    throw error;
  } finally {
    if (!(interrupted && place.passing)) await removeAll(place, deployed);
  }
}

async function deploy(endpoint: typeof TASKS, { target, deployArgs, env }: Place, signal: AbortSignal): Promise<void> {
  const own = ["--name", endpoint.name, "--site", endpoint.site, "--set", `policy.maxIdleTimeMs=${MAX_IDLE_MS}`];
  const code = await runFarcall(["endpoint", "deploy", target, ...own, ...deployArgs], { env, signal });
  if (code !== EXIT.ok) throw new Error(`${endpoint.name} was not deployed; farcall said why`);
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
async function removeAll({ env }: Place, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const code = await runFarcall(["endpoint", "remove", name, "--yes"], { env }).catch(() => EXIT.interrupted);
    if (code === EXIT.ok || code === EXIT.notFound) continue;
    process.stderr.write(`${name} may still be there: \`farcall endpoint remove ${name}\` removes it\n`);
  }
}
