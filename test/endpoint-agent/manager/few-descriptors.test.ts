/** FAULTS.md A9: a manager that may open few files or start few processes: it waits, and is well again when it may. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { limitProcesses, whyNoProcessLimit } from "../../support/process-limit.ts";
import { registerProgram } from "./programs.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

/** So long it has nothing to spare: several tries of everything fall into it. */
const SHORTAGE_MS = 1_500;

describe.skipIf(process.platform !== "linux").each(MANAGERS)("a manager without anything to spare (%s)", (type) => {
  let agent: TestAgent;
  const cleanup: (() => unknown)[] = [];
  afterEach(async () => {
    await agent.stop();
    for (const step of cleanup.splice(0).reverse()) await step();
  });

  const setUp = async () => {
    agent = await startTestAgent({ type, capacity: { cores: 4, memoryMb: 4096, gpus: 0 }, workersPerNode: 4 });
    const same = registerProgram(agent, type, "same");
    expect((await agent.call(same, [21])).value).toBe(21);
    return same;
  };
  /** Of every kind: new code, a command, large arguments, a large result, more workers than there are. */
  const submitAll = (same: string) => {
    const command = agent.register({ runtime: "command" }, "echo {word}");
    const large = agent.register({ runtime: "command" }, "head -c 300000 /dev/zero | tr '\\0' x");
    const sleep = registerProgram(agent, type, "sleep");
    const once = agent.submit(command, [[{ word: "once" }]], { delivery: "at-most-once" });
    return {
      sleeps: agent.submit(sleep, [[500], [501], [502], [503]]),
      commands: [...agent.submit(command, [[{ word: "a" }], [{ word: "b" }]]), ...once],
      large: agent.submit(large, [[]]),
      same: agent.submit(same, [["x".repeat(300_000)]]),
    };
  };
  const allEnd = async (ids: ReturnType<typeof submitAll>) => {
    for (const [i, id] of ids.sleeps.entries()) expect((await agent.result(id)).value).toBe(500 + i);
    for (const [i, id] of ids.commands.entries()) {
      const { failure, value } = await agent.result(id);
      expect([failure, (value as { stdout: string }).stdout]).toEqual([undefined, `${["a", "b", "once"][i]}\n`]);
    }
    const result = await agent.result(ids.large[0] as string);
    expect(result.failure).toBeUndefined();
    expect((result.value as { stdout: string }).stdout).toHaveLength(300_000);
    expect((await agent.result(ids.same[0] as string)).value).toHaveLength(300_000);
    expect(agent.manager.exitCode).toBeNull();
  };

  it("A9: no descriptor: what needs one waits, nothing fails, all ends when there are some", async () => {
    const same = await setUp();
    const pid = agent.manager.pid as number;
    const open = new Set(readdirSync(`/proc/${pid}/fd`));
    let spare = 0;
    while (open.has(String(spare))) spare++;
    const allow = (files: number) => execFileSync("prlimit", ["--pid", String(pid), `--nofile=${files}:`]);
    allow(spare);
    const ids = submitAll(same);
    await sleep(SHORTAGE_MS);
    expect([agent.manager.exitCode, agent.manager.signalCode], agent.log()).toEqual([null, null]);
    expect([...agent.results.values()].filter(({ failure }) => failure)).toEqual([]);
    allow(1_024);
    await allEnd(ids);
  });

  it.skipIf(whyNoProcessLimit())(
    "A9: no process: what needs one waits, nothing fails, all ends when there are some",
    async () => {
      const same = await setUp();
      const limit = await limitProcesses(agent.manager.pid as number);
      cleanup.push(limit.remove);
      limit.none();
      const ids = submitAll(same);
      await sleep(SHORTAGE_MS);
      expect([agent.manager.exitCode, agent.manager.signalCode], agent.log()).toEqual([null, null]);
      expect([...agent.results.values()].filter(({ failure }) => failure)).toEqual([]);
      limit.any();
      await allEnd(ids);
    },
  );
});
