/** Blocks and tasks of the model of a batch system. */

export type ModelTask = { submittedAt: number; durationMs: number; startedAt: number; endedAt: number };

export type ModelBlock = {
  id: string;
  askedAt: number;
  upAt: number;
  up: boolean;
  goneAt: number;
  /** its walltime's end, and when it takes nothing more before it */
  endsAt: number;
  drainsAt: number;
  workers: number;
  running: ModelTask[];
  idleSince: number | null;
};

/** Takes from a block the tasks that have ended, and returns them. */
export function settle(block: ModelBlock, now: number): ModelTask[] {
  const over = block.running.filter((task) => task.endedAt <= now);
  if (over.length === 0) return over;
  block.running = block.running.filter((task) => task.endedAt > now);
  if (block.running.length === 0) block.idleSince = Math.max(...over.map((task) => task.endedAt));
  return over;
}

/** Starts what waits in the blocks that have room and time for it. */
export function fill(
  blocks: readonly ModelBlock[],
  { waiting, now, placement }: { waiting: ModelTask[]; now: number; placement: "pack" | "spread" },
): void {
  const open = blocks.filter((block) => block.upAt <= now && block.drainsAt > now);
  while (waiting.length > 0) {
    const task = waiting[0] as ModelTask;
    let best: ModelBlock | undefined;
    for (const block of open) {
      const load = block.running.length;
      if (load >= block.workers || now + task.durationMs > block.endsAt) continue;
      const better = !best || (placement === "pack" ? load > best.running.length : load < best.running.length);
      if (better) best = block;
    }
    if (!best) return;
    waiting.shift();
    task.startedAt = now;
    task.endedAt = now + task.durationMs;
    best.running.push(task);
    best.idleSince = null;
  }
}
