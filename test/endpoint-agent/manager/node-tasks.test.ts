import { readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive, nonceOf, processesWith } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe("a manager with JavaScript tasks", () => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent();
  });
  afterAll(() => agent.stop());
  const js = (text: string) => agent.register({ runtime: "javascript" }, text);

  it("runs a function and sends its result", async () => {
    expect(await agent.call(js("export default (x) => x * x;"), [12])).toMatchObject({
      outcome: "succeeded",
      value: 144,
      started: true,
    });
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
    const fn = js("export default async (ms) => { await new Promise((r) => setTimeout(r, ms)); return [ms]; };");
    expect(await agent.call(fn, [5])).toMatchObject({ value: [5] });
  });

  it("takes arguments as bytes, as an array, or as { args }", async () => {
    const fn = js("export default (...args) => args.map((x) => x.constructor.name);");
    expect((await agent.call(fn, new Uint8Array(3))).value).toEqual(["Uint8Array"]);
    expect((await agent.call(fn, { args: [1, ""] })).value).toEqual(["Number", "String"]);
    expect((await agent.call(fn, 7)).failure?.code).toBe("LOAD_ERROR");
  });

  it("sends back what the function threw, without the worker's own frames", async () => {
    const fn = js(
      "class Odd extends Error {}\nexport default () => { throw new Odd('no', { cause: new Error('deep') }); };",
    );
    const { outcome, failure } = await agent.call(fn, []);
    expect(outcome).toBe("failed");
    expect(failure).toMatchObject({ code: "USER_ERROR", type: "Odd", message: "no" });
    expect(failure?.stack).toContain("[cause]: Error: deep");
    expect(failure?.stack).not.toContain("endpoint-agent");
    expect((await agent.call(js("export default () => { throw 7; };"), [])).failure).toMatchObject({
      type: "number",
      message: "7",
    });
  });

  it("blames a task for what its timers and promises throw", async () => {
    const fn = js(
      "export default () => { setTimeout(() => { throw new Error('late'); }, 5); return new Promise(() => setTimeout(() => {}, 60_000)); };",
    );
    expect((await agent.call(fn, [])).failure).toMatchObject({ code: "USER_ERROR", message: "late" });
    const rejecting = js(
      "export default () => { Promise.reject(new Error('nobody waits')); return new Promise(() => setTimeout(() => {}, 60_000)); };",
    );
    expect((await agent.call(rejecting, [])).failure).toMatchObject({ code: "USER_ERROR", message: "nobody waits" });
  });

  it("gives each task the same variables and directory, whatever the one before did", async () => {
    const fn = agent.register(
      { runtime: "javascript", env: { OF_FUNCTION: "1" } },
      `export default () => {
         const seen = [process.env.OF_FUNCTION, process.env.OF_TASK, process.env.LEFT].map((x) => x ?? null);
         seen.push(process.cwd());
         process.env.LEFT = "1"; delete process.env.OF_FUNCTION; process.chdir("/");
         return seen;
       };`,
    );
    const first = (await agent.call(fn, [], { env: { OF_TASK: "2" } })).value as unknown[];
    expect(first.slice(0, 3)).toEqual(["1", "2", null]);
    for (let i = 0; i < 4; i++) {
      const next = (await agent.call(fn, [])).value as unknown[];
      expect(next.slice(0, 3)).toEqual(["1", null, null]);
      expect(next[3]).not.toBe("/");
    }
  });

  it("passes a task's variables to the processes that it starts", async () => {
    const fn = js(
      "import { execFileSync } from 'node:child_process'; export default () => execFileSync('printenv', ['A'], { encoding: 'utf8' });",
    );
    expect((await agent.call(fn, [], { env: { A: "of task" } })).value).toBe("of task\n");
  });

  it("hides the agent's secrets, and passes only allowed variables and descriptors on", async () => {
    const fn = js(
      "import fs from 'node:fs'; export default () => [Object.keys(process.env), process.pid, fs.statSync(process.env.TMPDIR).mode & 0o777];",
    );
    const [names, pid, mode] = (await agent.call(fn, [])).value as [string[], number, number];
    expect(names).toContain("PATH");
    expect(names.filter((name) => /TOKEN|SECRET|VITEST|npm_|COMPILE/i.test(name))).toEqual([]);
    expect(mode).toBe(0o700);
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(targets.filter((target) => /secret|config\.json|agent\.sock|manager\.log/.test(target))).toEqual([]);
  });

  it("lets a task know itself", async () => {
    const fn = js(
      "export default () => { const { id, attempt } = globalThis[Symbol.for('farcall.task')]; return [id, attempt]; };",
    );
    const { id, value } = await agent.call(fn, [], { attempt: 1 });
    expect(value).toEqual([id, 2]);
  });

  it("replaces a worker that has loaded many functions", async () => {
    const pids = new Set<unknown>();
    for (let i = 0; i < 150; i++)
      pids.add((await agent.call(js(`export default () => process.pid + ${i} * 0;`), [])).value);
    expect(pids.size).toBeGreaterThan(1);
    expect(pids.size).toBeLessThan(10);
  });
});

describe.each(MANAGERS)("a manager (%s) whose workers are idle", (type) => {
  it("ends them after a while, whatever they wait for, and starts others when they are needed", async () => {
    const agent = await startTestAgent({ type, limits: { workerIdleMs: 100, killGraceMs: 60_000 } });
    const nonce = nonceOf(agent.frames);
    const js = registerProgram(agent, type, "pid");
    const py = agent.register({ runtime: "python", entry: "f" }, "import os\ndef f():\n    return os.getpid()\n");
    const pids = [(await agent.call(js, [])).value, (await agent.call(py, [])).value] as number[];
    await agent.until(() => processesWith(`FARCALL_WORKER=${nonce}/`).length === 0, "their end");
    // A process on its way out has no environment any more, and is not gone yet.
    await agent.until(() => !pids.some(isAlive), "their being gone");
    expect(pids).not.toContain((await agent.call(js, [])).value);
    await agent.stop();
  });
});

describe.each(MANAGERS)("a manager (%s) whose workers do not start", (type) => {
  it("B15: returns its tasks, says why and ends", async () => {
    const agent = await startTestAgent({ type, python: "/bin/false" });
    const fn = agent.register({ runtime: "python", entry: "f" }, "def f(): pass\n");
    expect(await agent.call(fn, [])).toMatchObject({ outcome: "returned" });
    expect(await agent.exited).toBe(0);
    const bye = agent.frames.find(({ header }) => header.kind === "bye")?.header;
    expect(bye).toMatchObject({ reason: expect.stringContaining("no python worker starts on this node") });
    await agent.stop();
  });
});
