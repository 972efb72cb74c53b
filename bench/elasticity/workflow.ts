/** The workload of the HPDC'19 paper on Parsl (section 5.5): wide, narrow, wide, narrow. */
import type { Farcall } from "../../sdk/index.ts";
import type { Burst } from "./simulate.ts";

/** Tasks of each stage and what one takes, seconds of the paper. */
export const STAGES = [
  { count: 20, seconds: 100 },
  { count: 1, seconds: 50 },
  { count: 20, seconds: 100 },
  { count: 1, seconds: 50 },
] as const;

/** The same as a load of the model. */
export function bursts(scale: number): Burst[] {
  return STAGES.map(({ count, seconds }) => ({ atMs: 0, count, durationMs: seconds * 1000 * scale, chained: true }));
}

export type WorkflowTask = { submittedAt: number; startedAt: number; endedAt: number; block: string | null };

const wait = (ms: number) => new Promise<number>((resolve) => setTimeout(resolve, ms, ms));

/** One call of another function, so that the endpoint is one that was used before: its caches hold the compiled worker. */
export async function warmUp(farcall: Farcall): Promise<void> {
  await farcall.function((x: number) => x, { name: "warmUp" }).submit(1);
}

/** Runs the stages one after the other; times are the gateway's, milliseconds since the first submission. */
export async function runWorkflow(farcall: Farcall, scale: number): Promise<{ tasks: WorkflowTask[]; began: number }> {
  const work = farcall.function(wait, { name: "work" });
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
    block: view.attempts.at(-1)?.block ?? null,
  }));
  return { tasks, began };
}
