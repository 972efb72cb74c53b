/** Calls under faults: submits witness tasks, lets a fault script loose, and judges the outcome by the evidence. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, type Verdict, witness } from "./evidence.ts";
import type { TestStack } from "./stack.ts";

export type StormOptions = {
  tasks: number;
  taskMs: number;
  /** runs beside the calls; resolves when its faults are over and everything is up again */
  faults: (stack: TestStack) => Promise<void>;
  delivery?: "at-least-once" | "at-most-once";
};

export type StormOutcome = Verdict & { succeeded: number; codes: string[] };

/**
 * Submits `tasks` calls at an even pace while `faults` runs, waits for every one of them, and checks I2 (one outcome each),
 * I3 (no two live attempts) and I4 (a bounded number of starts).
 */
export async function storm(stack: TestStack, options: StormOptions): Promise<StormOutcome> {
  const file = join(stack.dir, "evidence");
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  try {
    const run = farcall.function(witness, { name: "witness" }).with({
      endpoint: stack.endpoint,
      delivery: options.delivery ?? "at-least-once",
    });
    const faults = options.faults(stack);
    const outcomes: Promise<string>[] = [];
    for (let i = 0; i < options.tasks; i++) {
      const key = `k${i}`;
      outcomes.push(
        Promise.resolve(run(file, key, options.taskMs)).then(
          (value) => (value === key ? "succeeded" : `wrong value ${String(value)}`),
          (error: { code?: string; message: string }) => error.code ?? error.message,
        ),
      );
      if (i % 20 === 19) await sleep(20);
    }
    await faults;
    const codes = await Promise.all(outcomes);
    const verdict = judge(readEvidence(file));
    expect(verdict.overlaps, "I3: two live attempts").toEqual([]);
    const bound = options.delivery === "at-most-once" ? 1 : 3;
    expect(Math.max(0, ...verdict.starts.values()), "I4: starts of one task").toBeLessThanOrEqual(bound);
    const succeeded = codes.filter((code) => code === "succeeded").length;
    return { ...verdict, succeeded, codes: [...new Set(codes.filter((code) => code !== "succeeded"))] };
  } finally {
    await farcall.close();
  }
}
