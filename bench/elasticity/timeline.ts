/** What an elastic pool did over time, and its numbers. */

/** One look at the pool. Between two looks nothing changes. */
export type Sample = {
  /** milliseconds since the first task was submitted */
  at: number;
  /** tasks that no worker has started */
  waiting: number;
  running: number;
  /** blocks that were asked for and have no worker yet */
  pending: number;
  /** blocks whose workers are there, or that are still going away */
  blocks: number;
  /** workers of these */
  workers: number;
};

export type Utilisation = {
  /** worker time spent in tasks over worker time held, from 0 to 1 */
  utilisation: number;
  /** from the first submission to the last result, milliseconds */
  makespanMs: number;
  workerMsHeld: number;
  workerMsUsed: number;
};

/** The share of the held worker time that tasks used. The last sample ends the pool. */
export function utilisationOf(samples: readonly Sample[], makespanMs: number): Utilisation {
  let held = 0;
  let used = 0;
  for (let i = 1; i < samples.length; i++) {
    const before = samples[i - 1] as Sample;
    const duration = (samples[i] as Sample).at - before.at;
    held += before.workers * duration;
    used += Math.min(before.running, before.workers) * duration;
  }
  return { utilisation: held === 0 ? 0 : used / held, makespanMs, workerMsHeld: held, workerMsUsed: used };
}

/** One sample for each change, of intervals of tasks and blocks. */
export function samplesOf(
  tasks: readonly { submittedAt: number; startedAt: number; endedAt: number }[],
  blocks: readonly { askedAt: number; upAt: number; goneAt: number; workers: number }[],
): Sample[] {
  const changes = new Map<number, Omit<Sample, "at">>();
  const change = (at: number, delta: Partial<Omit<Sample, "at">>) => {
    const sum = changes.get(at) ?? { waiting: 0, running: 0, pending: 0, blocks: 0, workers: 0 };
    for (const key of Object.keys(delta) as (keyof typeof sum)[]) sum[key] += delta[key] ?? 0;
    changes.set(at, sum);
  };
  for (const { submittedAt, startedAt, endedAt } of tasks) {
    change(submittedAt, { waiting: 1 });
    change(startedAt, { waiting: -1, running: 1 });
    change(endedAt, { running: -1 });
  }
  for (const { askedAt, upAt, goneAt, workers } of blocks) {
    change(askedAt, { pending: 1 });
    change(upAt, { pending: -1, blocks: 1, workers });
    change(goneAt, { blocks: -1, workers: -workers });
  }
  const now = { waiting: 0, running: 0, pending: 0, blocks: 0, workers: 0 };
  return [...changes]
    .sort(([a], [b]) => a - b)
    .map(([at, delta]) => {
      for (const key of Object.keys(now) as (keyof typeof now)[]) now[key] += delta[key];
      return { at, ...now };
    });
}
