/** How a task learns how many cores it has. */
import type { Resources } from "../../protocol/task.ts";

type Variables = Record<string, string>;

/** What every process gets: a task has one core unless it says otherwise. What the site has set stays. */
export function usualCores(own: NodeJS.ProcessEnv): Variables {
  return { FARCALL_CORES: "1", OMP_NUM_THREADS: own.OMP_NUM_THREADS ?? "1" };
}

/** What a task gets beside; undefined for one with one core. `configured` is `workers.env`, which is not overruled. */
export function coresOfTask({ cores }: Resources, configured: Variables): Variables | undefined {
  if (cores <= 1) return undefined;
  const threads = configured.OMP_NUM_THREADS ?? String(cores);
  return { FARCALL_CORES: String(cores), OMP_NUM_THREADS: threads };
}
