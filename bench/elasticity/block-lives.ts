/** The lives of blocks, read from their agent's log. */
import type { BlockLife } from "./split.ts";

type Known = BlockLife & { job: string };

/** Submission, first manager, letting go and proven end of each block. */
export function blockLives(log: string): Known[] {
  const lives = new Map<string, Known>();
  const never = Number.POSITIVE_INFINITY;
  for (const text of log.split("\n")) {
    if (!text.startsWith("{")) continue;
    const { time, msg, block, job } = JSON.parse(text) as { time: number; msg: string; block?: string; job?: string };
    if (block === undefined) continue;
    if (msg === "block submitted") {
      lives.set(block, { block, job: job ?? "", askedAt: time, upAt: never, letGoAt: never, goneAt: never });
    }
    const life = lives.get(block);
    if (!life) continue;
    if (msg === "manager connected") life.upAt = Math.min(life.upAt, time);
    if (msg === "block let go") life.letGoAt = Math.min(life.letGoAt, time);
    if (msg === "block ended") life.goneAt = time;
  }
  return [...lives.values()];
}

/** When Slurm's jobs held their nodes, from `scontrol --oneliner show jobs`: whole seconds, rounded up. */
export function slurmTimes(text: string): Map<string, { from: number; to: number }> {
  const times = new Map<string, { from: number; to: number }>();
  for (const line of text.split("\n")) {
    const value = (key: string) => new RegExp(`(?:^|\\s)${key}=(\\S+)`).exec(line)?.[1];
    const from = Date.parse(value("StartTime") ?? "");
    const to = Date.parse(value("EndTime") ?? "") + 1_000;
    const job = value("JobId");
    if (job !== undefined && !Number.isNaN(from)) times.set(job, { from, to: Number.isNaN(to) ? Infinity : to });
  }
  return times;
}
