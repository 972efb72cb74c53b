/** The workload of the HPDC'19 paper on Parsl (section 5.5): wide, narrow, wide, narrow. */
import type { Farcall } from "../../sdk/index.ts";

/** Tasks of each stage and what one takes, seconds of the paper. */
export const STAGES = [
  { count: 20, seconds: 100 },
  { count: 1, seconds: 50 },
  { count: 20, seconds: 100 },
  { count: 1, seconds: 50 },
] as const;

/** The same as bursts, as they come when every stage takes just its time. */
export function bursts(scale: number): { atMs: number; count: number; durationMs: number }[] {
  let atMs = 0;
  return STAGES.map(({ count, seconds }) => {
    const burst = { atMs, count, durationMs: seconds * 1000 * scale };
    atMs += burst.durationMs;
    return burst;
  });
}

export type WorkflowTask = { submittedAt: number; startedAt: number; endedAt: number };

/** Runs the stages one after the other; times are the gateway's, milliseconds since the first submission. */
export async function runWorkflow(farcall: Farcall, scale: number): Promise<{ tasks: WorkflowTask[]; began: number }> {
  const work = farcall.function((ms: number) => new Promise<number>((resolve) => setTimeout(resolve, ms, ms)), {
    name: "work",
  });
  const ids: string[] = [];
  for (const { count, seconds } of STAGES) {
    const stage = Array.from({ length: count }, () => work.submit(seconds * 1000 * scale));
    ids.push(...stage.map((task) => task.id));
    await Promise.all(stage);
  }
  const views = await Promise.all(ids.map((id) => farcall.tasks.get(id)));
  const began = Math.min(...views.map((view) => view.submittedAt));
  const tasks = views.map((view) => ({
    submittedAt: view.submittedAt - began,
    startedAt: (view.attempts.at(-1)?.startedAt ?? view.submittedAt) - began,
    endedAt: (view.endedAt ?? view.submittedAt) - began,
  }));
  return { tasks, began };
}
