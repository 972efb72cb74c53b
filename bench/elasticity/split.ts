/** Where the held worker time went that no task used, block by block. */

export type BlockLife = {
  block: string;
  askedAt: number;
  /** its manager has connected */
  upAt: number;
  letGoAt: number;
  goneAt: number;
};

/** Worker milliseconds. */
export type Split = {
  /** from the block's submission until its manager has connected */
  starting: number;
  /** from then until its first task starts: the worker process starts */
  first_task: number;
  /** some of its workers had tasks, others none */
  partly_used: number;
  /** none had, and later one had again */
  between_tasks: number;
  /** from its last task until it was let go */
  kept_idle: number;
  /** from then until its end was proven */
  ending: number;
};

type Interval = { startedAt: number; endedAt: number };

/** Splits what the blocks held and did not use until `end`. */
export function splitOf(
  tasks: readonly (Interval & { block: string | null })[],
  blocks: readonly BlockLife[],
  { workers, end }: { workers: number; end: number },
): Split {
  const split: Split = { starting: 0, first_task: 0, partly_used: 0, between_tasks: 0, kept_idle: 0, ending: 0 };
  const within = (at: number) => Math.min(end, Math.max(0, at));
  for (const life of blocks) {
    const own = tasks.filter(({ block }) => block === life.block);
    const askedAt = within(life.askedAt);
    const goneAt = within(life.goneAt);
    const upAt = Math.max(askedAt, Math.min(goneAt, within(life.upAt)));
    const letGoAt = Math.max(upAt, Math.min(goneAt, within(life.letGoAt)));
    const first = own.length === 0 ? letGoAt : Math.min(...own.map(({ startedAt }) => within(startedAt)));
    const last = own.length === 0 ? letGoAt : Math.max(...own.map(({ endedAt }) => within(endedAt)));
    split.starting += workers * (upAt - askedAt);
    split.first_task += workers * Math.max(0, first - upAt);
    split.kept_idle += workers * Math.max(0, letGoAt - last);
    split.ending += workers * Math.max(0, goneAt - Math.max(last, letGoAt));
    const edges = [...new Set(own.flatMap(({ startedAt, endedAt }) => [within(startedAt), within(endedAt)]))];
    edges.sort((a, b) => a - b);
    edges.slice(1).forEach((to, i) => {
      const from = edges[i] as number;
      const running = own.filter((task) => task.startedAt <= from && task.endedAt >= to).length;
      const unused = (to - from) * Math.max(0, workers - running);
      split[running === 0 ? "between_tasks" : "partly_used"] += unused;
    });
  }
  return split;
}
