/** Many small tasks leave nothing behind; a manager that is killed at any moment leaves no process. */
import { readdirSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { waitFor } from "../../support/wait-for.ts";
import { registerProgram } from "./programs.ts";
import { nonceOf, processesWith } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

const TASKS = Number(process.env.FARCALL_SOAK_TASKS ?? 20_000);
const KILLS = Number(process.env.FARCALL_SOAK_KILLS ?? 3);
const BATCH = 500;

describe.each(MANAGERS)("a manager (%s) that runs for long", (type) => {
  let agent: TestAgent;
  afterEach(() => agent.stop());

  it(`I6: keeps neither memory nor descriptors of ${TASKS} tasks`, { timeout: 30_000 + TASKS * 3 }, async () => {
    agent = await startTestAgent({ type });
    const fn = registerProgram(agent, type, "same");
    const command = agent.register({ runtime: "command" }, "echo {x}");
    const run = async (count: number) => {
      for (let at = 0; at < count; at += BATCH) {
        // Each batch of a spec of its own, as of calls that differ in their options.
        const ids = agent.submit(
          fn,
          Array.from({ length: BATCH - 2 }, (_, i) => [at + i]),
        );
        const said = agent.submit(command, [[{ x: "a" }], [{ x: "b" }]]);
        const values = [];
        for (const id of ids) values.push((await agent.result(id)).value);
        expect(values).toEqual(Array.from({ length: BATCH - 2 }, (_, i) => at + i));
        for (const id of said) expect((await agent.result(id)).outcome).toBe("succeeded");
        agent.results.clear();
      }
    };
    const descriptors = () => readdirSync(`/proc/${agent.manager.pid}/fd`).length;
    await run(TASKS / 4);
    const before = { memory: agent.memoryMb(), descriptors: descriptors() };
    await run((TASKS * 3) / 4);
    await waitFor(() => descriptors() <= before.descriptors + 2, { what: "descriptors to be closed" });
    // Node.js collects its garbage when it likes to.
    expect(agent.memoryMb() - before.memory).toBeLessThan(type === "node" ? 80 : 12);
  });

  it("B1: killed at any moment leaves no process", { timeout: 20_000 * KILLS }, async () => {
    for (let i = 0; i < KILLS; i++) {
      if (i > 0) await agent.stop();
      agent = await startTestAgent({ type });
      const nonce = nonceOf(agent.frames);
      const names = ["sleep", "daemonParent", "same"] as const;
      for (const name of names) agent.submit(registerProgram(agent, type, name), [[300], [300], [300]]);
      agent.submit(agent.register({ runtime: "command" }, "setsid sleep 1000 & sleep 1000"), [[{}], [{}]]);
      const moment = Math.random() * 600;
      await new Promise((resolve) => setTimeout(resolve, moment));
      agent.manager.kill("SIGKILL");
      await agent.exited;
      await waitFor(() => processesWith(`FARCALL_WORKER=${nonce}/`).length === 0, {
        what: `the end of all, killed after ${moment} ms`,
        timeoutMs: 15_000,
      });
    }
  });
});
