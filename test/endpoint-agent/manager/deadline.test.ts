import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive, nonceOf, processesWith } from "./support.ts";
import { type AgentOptions, startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("work without contact (%s)", (type) => {
  let agent: TestAgent;
  let nonce: string;
  afterEach(async () => {
    for (const pid of processesWith(`FARCALL_WORKER=${nonce}/`)) process.kill(pid, "SIGKILL");
    await agent.stop();
  });

  const startWith = async (options: AgentOptions) => {
    agent = await startTestAgent({ type, ...options });
    nonce = nonceOf(agent.frames);
    const file = join(agent.dir, "pid");
    const fn = registerProgram(agent, type, "stubborn");
    const [id] = agent.submit(fn, [[file]]) as [string];
    const pid = await agent.until(() => existsSync(file) && Number(readFileSync(file, "utf8")), "a pid");
    return { id, pid };
  };
  const allGone = () =>
    agent.until(() => processesWith(`FARCALL_WORKER=${nonce}/`).length === 0, "the end of all", 15_000);

  it("B1: ends within seconds of a killed manager", async () => {
    const { pid } = await startWith({});
    const killedAt = performance.now();
    agent.manager.kill("SIGKILL");
    await allGone();
    await agent.until(() => !isAlive(pid), "the worker's end");
    expect(performance.now() - killedAt).toBeLessThan(5_000);
    await agent.until(() => !existsSync(join(agent.config.dir, "work")), "the removal of its directories");
  });

  it("B2, rule 20: is killed at the deadline though the manager is stopped, which then cannot wake up", async () => {
    const { pid } = await startWith({ remainingDeadlineMs: 2_500, orphanTimeoutMs: 2_500 });
    agent.manager.kill("SIGSTOP");
    await allGone();
    await agent.until(() => !isAlive(pid), "the worker's end");
    agent.manager.kill("SIGCONT");
    await agent.exited;
    expect(agent.results.size).toBe(0);
  });

  it("B2: a manager that wakes up after its deadline publishes nothing and starts nothing", async () => {
    agent = await startTestAgent({ type, remainingDeadlineMs: 2_500, orphanTimeoutMs: 2_500 });
    nonce = nonceOf(agent.frames);
    const file = join(agent.dir, "done");
    const fn = registerProgram(agent, type, "noteEnd");
    agent.submit(
      fn,
      Array.from({ length: 4 }, () => [file, 1_000]),
    );
    await agent.until(() => agent.starts.length === 2, "two starts");
    const [watchdog] = processesWith("").filter((pid) => isWatchdogOf(pid, agent.manager.pid as number));
    agent.manager.kill("SIGSTOP");
    process.kill(watchdog as number, "SIGKILL");
    await agent.until(() => existsSync(file) && readFileSync(file, "utf8") === "xx", "both ends");
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const before = agent.results.size;
    agent.manager.kill("SIGCONT");
    await agent.exited;
    expect(agent.results.size).toBe(before);
    expect(readFileSync(file, "utf8")).toBe("xx");
  });

  it("rule 19: lives as long as beats are answered, and no longer than the deadline afterwards", async () => {
    const { pid } = await startWith({ remainingDeadlineMs: 3_000, orphanTimeoutMs: 3_000 });
    const answeredUntil = performance.now() + 5_000;
    await agent.until(() => performance.now() > answeredUntil, "time", 10_000);
    expect(isAlive(pid)).toBe(true);
    agent.setAnswering(false);
    await agent.exited;
    await allGone();
    await agent.until(() => !isAlive(pid), "the worker's end");
  });

  it("rule 20: a watchdog that dies is replaced", async () => {
    await startWith({ remainingDeadlineMs: 60_000 });
    const children = () => processesWith("").filter((pid) => isWatchdogOf(pid, agent.manager.pid as number));
    const [first] = await agent.until(() => children().length === 1 && children(), "a watchdog");
    process.kill(first as number, "SIGKILL");
    await agent.until(() => children().length === 1 && children()[0] !== first, "another watchdog");
    agent.manager.kill("SIGKILL");
    await allGone();
  });
});

function isWatchdogOf(pid: number, manager: number): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
    return argv.some((arg) => /watchdog(\.[jt]s)?$/.test(arg)) && argv.includes(String(manager));
  } catch {
    return false;
  }
}
