/** One of the demo's jobs. */
import type { Farcall } from "../../../sdk/index.ts";

export type Outcome = {
  /** what came out, as JSON */
  result: Record<string, unknown>;
  /** whether it is what is known to be right */
  ok: boolean;
  /** a line or two for people */
  shown: readonly string[];
};

export type Job = {
  name: string;
  title: string;
  /** Runs it; `progress.add` announces tasks, `progress.done` counts one that has ended. */
  run(farcall: Farcall, progress: Progress): Promise<Outcome>;
};

export type Progress = { add(tasks: number): void; done(): void };
