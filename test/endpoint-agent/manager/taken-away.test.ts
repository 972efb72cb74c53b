/** Work that ends because the site takes its node away, and work that ends so by itself (FAULTS.md B4, B5). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { mayBeTaken, takenEnd } from "../../../endpoint-agent/manager/taken-away.ts";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

let agent: TestAgent;
afterEach(() => agent?.stop());
const pidsIn = (file: string, count: number) =>
  agent.until(() => {
    const pids = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").map(Number) : [];
    return pids.length === count && pids;
  }, `${count} pids`);

describe.each(MANAGERS)("a block that the site ends (manager: %s)", (type) => {
  it.each([
    ["the workers' signal comes first", true],
    ["the manager's signal comes first", false],
  ])("B5: where every process gets SIGTERM, what ran comes back without a failure; %s", async (_, workersFirst) => {
    agent = await startTestAgent({ type });
    const file = join(agent.dir, "pids");
    const fn = registerProgram(agent, type, "pidThenSleep");
    const [id] = agent.submit(fn, [[file]]) as [string];
    const [once] = agent.submit(fn, [[file]], { delivery: "at-most-once" }) as [string];
    const pids = await pidsIn(file, 2);
    if (!workersFirst) agent.manager.kill("SIGTERM");
    for (const pid of pids) process.kill(-pid, "SIGTERM");
    if (workersFirst) {
      await agent.until(() => pids.every((pid) => !isAlive(pid)), "the workers' end");
      agent.manager.kill("SIGTERM");
    }
    for (const task of [id, once]) {
      const { outcome, started, failure } = await agent.result(task);
      expect([outcome, started, failure]).toEqual(["returned", true, undefined]);
    }
    expect(await agent.exited).toBe(0);
  });

  it("W1: a task that sends itself SIGTERM is a loss, and a strike, as any other", async () => {
    agent = await startTestAgent({ type });
    const fn = registerProgram(agent, type, "suicide");
    expect(await agent.call(fn, [])).toMatchObject({
      outcome: "lost",
      started: true,
      failure: { code: "WORKER_LOST", signal: "SIGTERM" },
    });
  });
});

describe("an end", () => {
  const failed = (failure: object) => ({ outcome: "failed" as const, started: true, failure: failure as never });
  it("B4: that a scheduler's notice may have caused is given back once that is known", () => {
    for (const failure of [
      { code: "MANAGER_LOST", message: "" },
      { code: "SIGNAL", message: "", signal: "SIGUSR1" },
      { code: "COMMAND_FAILED", message: "", exitCode: 143 },
    ]) {
      expect(mayBeTaken(failed(failure))).toBe(true);
      expect(takenEnd(failed(failure))).toEqual({ outcome: "returned", started: true });
    }
  });

  it("that has a cause of its own stays what it is", () => {
    for (const failure of [
      { code: "USER_ERROR", message: "" },
      { code: "SIGNAL", message: "", signal: "SIGSEGV" },
      { code: "OOM", message: "", signal: "SIGKILL" },
      { code: "COMMAND_FAILED", message: "", exitCode: 1 },
    ]) {
      expect(takenEnd(failed(failure))).toEqual(failed(failure));
    }
    expect(mayBeTaken({ outcome: "succeeded", started: true })).toBe(false);
  });
});
