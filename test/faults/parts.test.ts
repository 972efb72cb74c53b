/** FAULTS.md: every part is killed under load, and nothing acknowledged is lost or run twice at once. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { startStack, type TestStack } from "../support/stack.ts";
import { storm } from "../support/storm.ts";

const endpoints = [{ name: "laptop", config: { orphanTimeoutMs: 8_000 } }];

describe("a part that is killed under load", () => {
  let stack: TestStack | undefined;
  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
  });

  const killing = (part: string, times: number) => async (running: TestStack) => {
    for (let i = 0; i < times; i++) {
      await sleep(400);
      await running.kill(part);
      await sleep(300);
      await running.restart(part);
    }
  };

  it("N2: nats-server, killed and started again: all calls succeed", { timeout: 120_000 }, async () => {
    stack = await startStack({ endpoints });
    const outcome = await storm(stack, { tasks: 600, taskMs: 5, faults: killing("nats", 3) });
    expect(outcome).toMatchObject({ succeeded: 600, codes: [] });
  });

  it("G1: the gateway, killed and started again: all calls succeed, under their ids", {
    timeout: 120_000,
  }, async () => {
    stack = await startStack({ endpoints });
    const outcome = await storm(stack, { tasks: 600, taskMs: 5, faults: killing("gateway", 3) });
    expect(outcome).toMatchObject({ succeeded: 600, codes: [] });
  });

  it("A1: the agent, killed and started again: managers are taken up again, all calls succeed", {
    timeout: 120_000,
  }, async () => {
    stack = await startStack({ endpoints });
    const outcome = await storm(stack, { tasks: 600, taskMs: 5, faults: killing("agent", 3) });
    expect(outcome).toMatchObject({ succeeded: 600, codes: [] });
    // A re-adopted manager goes on with what it has: nothing that ran is run again.
    expect([...outcome.starts.values()].filter((starts) => starts > 1)).toEqual([]);
  });

  it("A1: at-most-once calls start once at the most, whatever is killed", { timeout: 120_000 }, async () => {
    stack = await startStack({ endpoints });
    const outcome = await storm(stack, {
      tasks: 200,
      taskMs: 5,
      delivery: "at-most-once",
      faults: async (running) => {
        await killing("agent", 1)(running);
        await killing("gateway", 1)(running);
        await killing("nats", 1)(running);
      },
    });
    expect(outcome.codes.filter((code) => code !== "MAYBE_RAN")).toEqual([]);
    expect(outcome.succeeded).toBeGreaterThan(0);
  });
});
