import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a manager (%s) whose workers die", (type) => {
  /** What only JavaScript can try: the manager in Python runs none. */
  const inNode = type === "node" ? it : it.skip;
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());

  const js = (text: string) => agent.register({ runtime: "javascript" }, text);
  const py = (text: string, entry = "f") => agent.register({ runtime: "python", entry }, text);
  /** The rows that this manager can run. */
  const here = <T extends unknown[]>(rows: T[]) => rows.filter((row) => type === "node" || !row.includes(js));
  const pidIn = (file: string) => agent.until(() => existsSync(file) && Number(readFileSync(file, "utf8")), "a pid");

  it("W1: reports a task lost whose worker was killed from outside, and goes on", async () => {
    const file = join(agent.dir, "w1");
    const [id] = agent.submit(registerProgram(agent, type, "endless"), [[file]]) as [string];
    process.kill(await pidIn(file), "SIGKILL");
    expect(await agent.result(id)).toMatchObject({
      outcome: "lost",
      started: true,
      failure: { code: "WORKER_LOST", signal: "SIGKILL" },
    });
    expect(await agent.call(registerProgram(agent, type, "one"), [])).toMatchObject({ value: 1 });
  });

  it("W1: counts only the started task of a worker that held more; the others run elsewhere", async () => {
    const file = join(agent.dir, "w1-held");
    const fn = registerProgram(agent, type, "killAt40");
    await agent.call(fn, [file, 0]);
    const ids = agent.submit(
      fn,
      Array.from({ length: 100 }, (_, n) => [file, n]),
    );
    const results = await Promise.all(ids.map((id) => agent.result(id)));
    expect(results.map(({ outcome }) => outcome)).toEqual(ids.map((_, n) => (n === 40 ? "lost" : "succeeded")));
  });

  inNode(
    "W1: keeps the result of a worker that is killed right after it, and gives the next task to another",
    async () => {
      const fn = js(
        "export default (x) => { process.nextTick(() => process.kill(process.pid, 'SIGKILL')); return [x, process.pid]; };",
      );
      const ids = agent.submit(
        fn,
        Array.from({ length: 6 }, (_, n) => [n]),
      );
      const values = [];
      for (const id of ids) values.push((await agent.result(id)).value as [number, number]);
      expect(values.map(([n]) => n)).toEqual([0, 1, 2, 3, 4, 5]);
    },
  );

  it("W1: a worker that is killed while it is idle costs nobody anything", async () => {
    const fn = registerProgram(agent, type, "pid");
    const pid = (await agent.call(fn, [])).value as number;
    process.kill(pid, "SIGKILL");
    const again = await agent.call(fn, []);
    expect([again.outcome, again.value === pid]).toEqual(["succeeded", false]);
  });

  inNode("W2: says that memory ran out, with limit and peak, where Node's heap ends", async () => {
    const fn = js(
      "export default () => { const all = []; for (;;) all.push(new Array(1e5).fill({ a: Math.random() })); };",
    );
    const { outcome, failure } = await agent.call(fn, [], { resources: { cores: 1, memoryMb: 96, gpus: 0 } });
    expect([outcome, failure?.code]).toEqual(["failed", "OOM"]);
    expect(failure?.details).toMatchObject({ limitMb: 96 });
  });

  it("W2: says that memory ran out where Python grows beyond its limit", async () => {
    const fn = py(
      "import time\ndef f():\n    data = []\n    while True:\n        data.append(bytearray(4 << 20))\n        time.sleep(0.005)\n",
    );
    const { outcome, failure } = await agent.call(fn, [], { resources: { cores: 1, memoryMb: 128, gpus: 0 } });
    expect([outcome, failure?.code]).toEqual(["failed", "OOM"]);
    expect(failure?.details).toMatchObject({ limitMb: 128 });
    expect(failure?.details?.peakMb).toBeGreaterThan(60);
  });

  it.each(
    here<[string, string, typeof js, string]>([
      [
        "a segmentation fault",
        "SIGSEGV",
        js,
        'export default () => { console.error("last words"); process.kill(process.pid, "SIGSEGV"); for (;;); };',
      ],
      ["an abort", "SIGABRT", js, 'export default () => { console.error("last words"); process.abort(); };'],
      [
        "a segmentation fault in Python",
        "SIGSEGV",
        py,
        "import ctypes, sys\ndef f():\n    print('last words', file=sys.stderr)\n    ctypes.string_at(0)\n",
      ],
    ]),
  )("W3: reports %s with the signal and the end of stderr", async (_, signal, register, text) => {
    const { outcome, failure, stderrText } = await agent.call(register(text), []);
    expect([outcome, failure?.code, failure?.signal]).toEqual(["failed", "SIGNAL", signal]);
    expect(failure?.message).toContain("last words");
    expect(stderrText).toContain("last words");
  });

  it.each([
    ["an endless loop", "spin"],
    ["one that ignores SIGTERM", "stubborn"],
  ] as const)("W4: ends %s at its timeout, and beats go on meanwhile", async (name, program) => {
    const file = join(agent.dir, `w4-${name}`);
    const [id] = agent.submit(registerProgram(agent, type, program), [[file]], { timeoutMs: 400 }) as [string];
    const pid = await pidIn(file);
    const { outcome, failure, ranMs } = await agent.result(id);
    expect([outcome, failure?.code]).toEqual(["failed", "TIMEOUT"]);
    expect(ranMs).toBeGreaterThanOrEqual(400);
    expect(isAlive(pid)).toBe(false);
  });

  it("W4: kills what the timed out task started as well", async () => {
    const file = join(agent.dir, "w4-child");
    const fn = registerProgram(agent, type, "parent");
    const [id] = agent.submit(fn, [[file]], { timeoutMs: 300 }) as [string];
    const pid = await pidIn(file);
    expect((await agent.result(id)).failure?.code).toBe("TIMEOUT");
    await agent.until(() => !isAlive(pid), "the child's end");
  });

  it.each(
    here<[string, typeof js, string, number]>([
      ["process.exit(0)", js, "export default () => { console.log('half'); process.exit(0); };", 0],
      ["process.exit(77)", js, "export default () => { console.log('half'); process.exit(77); };", 77],
      ["os._exit(0)", py, "import os\ndef f():\n    print('half', flush=True)\n    os._exit(0)\n", 0],
      ["sys.exit(3)", py, "import sys\ndef f():\n    print('half')\n    sys.exit(3)\n", 3],
    ]),
  )("W5: takes %s for no success", async (_, register, text, exitCode) => {
    const { outcome, failure, stdoutText } = await agent.call(register(text), []);
    expect([outcome, failure?.code, failure?.exitCode]).toEqual(["failed", "EXITED", exitCode]);
    expect(stdoutText).toBe("half\n");
  });

  it.each(
    here<[string, typeof js, string]>([
      ["a syntax error", js, "export default ("],
      ["a missing module", js, 'import "no-such-module"; export default () => 1;'],
      ["a missing export", js, "export const other = () => 1;"],
      ["a throw at load", js, "throw new Error('at load');"],
      ["a syntax error in Python", py, "def f(:"],
      ["a missing module in Python", py, "import no_such_module\ndef f(): pass"],
      ["a missing name in Python", py, "def g(): pass"],
    ]),
  )("W12: %s is a LOAD_ERROR, and the worker lives on", async (_, register, text) => {
    const { outcome, failure } = await agent.call(register(text), []);
    expect([outcome, failure?.code]).toEqual(["failed", "LOAD_ERROR"]);
    expect(failure?.message).not.toBe("");
    expect(agent.log()).not.toContain("does not start");
  });

  it("W12: code with another hash is a LOAD_ERROR, and never run", async () => {
    const fn = type === "node" ? js("export default () => 'right';") : py("def f():\n    return 'right'\n");
    const known = agent.functions.get(fn);
    agent.functions.set(fn, {
      definition: known!.definition,
      code: new TextEncoder().encode("wrong"),
    });
    expect((await agent.call(fn, [])).failure).toMatchObject({
      code: "LOAD_ERROR",
      message: expect.stringContaining("another hash"),
    });
    const gone = "f".repeat(64);
    expect((await agent.call(gone, [])).failure).toMatchObject({ code: "FUNCTION_GONE" });
  });
});
