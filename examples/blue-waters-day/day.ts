/** A day: two endpoints deployed, work done on two nodes, no block left, the endpoints removed. */
import type { Farcall } from "../../sdk/index.ts";
import { watchBlocks } from "./block-watch.ts";
import { Interrupted, runFarcall } from "./farcall-program.ts";
import type { Place } from "./place.ts";
import { mpiProgram, pythonTasks, shellCommand } from "./work.ts";

/**
 * Two, because `aprun` works on the machine of the batch script only, and ALPS gives a node to one application at a time: managers
 * that wait for tasks there leave no room for MPI (docs/adr/0013).
 */
const ENDPOINTS = [
  { name: "blue-waters", site: "blue-waters" },
  { name: "blue-waters-mpi", site: "blue-waters:mpi" },
] as const;
const [TASKS, MPI] = ENDPOINTS;
/** Short, so that the day ends soon: idle nodes are given back at once. */
const MAX_IDLE_MS = 3_000;

type Day = { farcall: Farcall; place: Place; signal: AbortSignal };

/** Runs it, and leaves nothing at the site. */
export async function spendDay({ farcall, place, signal }: Day): Promise<void> {
  const deployed: string[] = [];
  try {
    for (const { name, site } of ENDPOINTS) {
      signal.throwIfAborted();
      deployed.unshift(name);
      await deploy(place, name, site);
    }
    await work({ farcall, place, signal });
    for (const { name } of ENDPOINTS) await scaledToZero(name, { farcall, place, signal });
  } finally {
    // With a stand-in all of it is about to be gone.
    if (!(signal.aborted && place.passing)) await removeAll(place, deployed);
  }
}

async function deploy({ target, deployArgs, env }: Place, name: string, site: string): Promise<void> {
  const own = ["--name", name, "--site", site, "--set", `policy.maxIdleTimeMs=${MAX_IDLE_MS}`];
  await runFarcall(["endpoint", "deploy", target, ...own, ...deployArgs], env);
}

async function work({ farcall, place, signal }: Day): Promise<void> {
  console.log("\nNo block is there. The first calls make the agent ask for one, of 2 nodes of 32 cores.");
  await shown(TASKS.name, { farcall, place, signal }, async () => {
    await pythonTasks(farcall, TASKS.name);
    await shellCommand(farcall, TASKS.name);
  });
  await shown(MPI.name, { farcall, place, signal }, () => mpiProgram(farcall, MPI.name, place.ranksPerNode));
}

/** Does something while the endpoint's blocks are watched. */
async function shown(name: string, { farcall, signal }: Day, something: () => Promise<void>): Promise<void> {
  let over = false;
  const done = something().finally(() => {
    over = true;
  });
  await Promise.all([done, watchBlocks(name, { farcall, signal }, () => over)]);
}

async function scaledToZero(name: string, { farcall, signal }: Day): Promise<void> {
  await watchBlocks(name, { farcall, signal }, (blocks) => blocks === 0);
  console.log(`${name}: no block is left`);
}

async function removeAll({ env }: Place, names: readonly string[]): Promise<void> {
  for (const name of names) {
    try {
      await runFarcall(["endpoint", "remove", name, "--yes"], env);
    } catch (error) {
      process.stderr.write(`${name} may still be there: farcall endpoint remove ${name}\n`);
      if (!(error instanceof Interrupted)) process.stderr.write(`${(error as Error).message}\n`);
    }
  }
}
