import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe("a manager with JavaScript tasks", () => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent();
  });
  afterAll(() => agent.stop());

  it("runs a function and sends its result", async () => {
    const square = agent.register({ runtime: "javascript" }, "export default (x) => x * x;");
    expect(await agent.call(square, [12])).toMatchObject({ outcome: "succeeded", value: 144, started: true });
  });

  it("runs many tasks, each once", async () => {
    const fn = agent.register({ runtime: "javascript", entry: "next" }, "export const next = (x) => x + 1;");
    const ids = agent.submit(
      fn,
      Array.from({ length: 1000 }, (_, i) => [i]),
    );
    const values = await Promise.all(ids.map(async (id) => (await agent.result(id)).value));
    expect(values).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
  });

  it("awaits asynchronous functions", async () => {
    const fn = agent.register(
      { runtime: "javascript" },
      "export default async (ms) => { await new Promise((r) => setTimeout(r, ms)); return [ms]; };",
    );
    expect(await agent.call(fn, [5])).toMatchObject({ value: [5] });
  });

  it("sends back what the function threw", async () => {
    const fn = agent.register(
      { runtime: "javascript" },
      "class Odd extends Error {}\nexport default () => { throw new Odd('no', { cause: new Error('deep') }); };",
    );
    const { outcome, failure } = await agent.call(fn, []);
    expect(outcome).toBe("failed");
    expect(failure).toMatchObject({ code: "USER_ERROR", type: "Odd", message: "no" });
    expect(failure?.stack).toContain("[cause]: Error: deep");
  });
});
