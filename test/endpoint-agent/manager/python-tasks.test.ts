import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a manager (%s) with Python tasks", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());
  const py = (text: string, entry = "f") => agent.register({ runtime: "python", entry }, text);

  it("calls a function with positional and named arguments", async () => {
    const fn = py("def f(a, b=2, *, c=3):\n    return [a, b, c]\n");
    expect((await agent.call(fn, [1])).value).toEqual([1, 2, 3]);
    expect((await agent.call(fn, { args: [1], kwargs: { c: 5 } })).value).toEqual([1, 2, 5]);
    expect((await agent.call(fn, { kwargs: { a: 9 } })).value).toEqual([9, 2, 3]);
  });

  it("runs many tasks, each once", async () => {
    const fn = py("def f(x):\n    return x + 1\n");
    const ids = agent.submit(
      fn,
      Array.from({ length: 1000 }, (_, i) => [i]),
    );
    const values = await Promise.all(ids.map(async (id) => (await agent.result(id)).value));
    expect(values).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
  });

  it("runs coroutines, dataclasses and functions that find themselves", async () => {
    const fn = py(
      "import asyncio, pickle\ntry:\n    from dataclasses import dataclass\n    @dataclass\n    class P:\n        x: int\nexcept ImportError:\n    class P:\n        def __init__(self, x):\n            self.x = x\nasync def f(x):\n    await asyncio.sleep(0.001)\n    return pickle.loads(pickle.dumps(P(x))).x\n",
    );
    expect((await agent.call(fn, [4])).value).toBe(4);
  });

  it("sends back what the function raised, without the worker's own frames", async () => {
    const fn = py(
      "class Odd(ValueError):\n    pass\ndef g():\n    raise Odd('no')\ndef f():\n    try:\n        g()\n    except Odd as e:\n        raise RuntimeError('outer') from e\n",
    );
    const { outcome, failure } = await agent.call(fn, []);
    expect(outcome).toBe("failed");
    expect(failure).toMatchObject({ code: "USER_ERROR", type: "RuntimeError", message: "outer" });
    expect(failure?.stack).toContain("Odd: no");
    expect(failure?.stack).not.toContain("farcall_worker.py");
  });

  it("says what does not fit in a call", async () => {
    expect((await agent.call(py("def f(): pass\n"), 7)).failure).toMatchObject({
      code: "LOAD_ERROR",
      type: "TypeError",
    });
    expect((await agent.call(py("def f(): pass\n"), [1])).failure).toMatchObject({
      code: "USER_ERROR",
      type: "TypeError",
    });
  });

  it("gives each task the same variables and directory, whatever the one before did", async () => {
    const fn = agent.register(
      { runtime: "python", entry: "f", env: { OF_FUNCTION: "1" } },
      "import os\ndef f():\n    seen = [os.environ.get(k) for k in ('OF_FUNCTION', 'OF_TASK', 'LEFT')] + [os.getcwd()]\n    os.environ['LEFT'] = '1'\n    os.environ.pop('OF_FUNCTION')\n    os.chdir('/')\n    return seen\n",
    );
    const first = (await agent.call(fn, [], { env: { OF_TASK: "2" } })).value as unknown[];
    expect(first.slice(0, 3)).toEqual(["1", "2", null]);
    for (let i = 0; i < 4; i++) {
      const next = (await agent.call(fn, [])).value as unknown[];
      expect(next.slice(0, 3)).toEqual(["1", null, null]);
      expect(next[3]).not.toBe("/");
    }
  });

  it("hides the agent's secrets and passes only allowed variables on", async () => {
    const fn = py("import os\ndef f():\n    return sorted(os.environ)\n");
    const names = (await agent.call(fn, [])).value as string[];
    expect(names).toContain("PATH");
    expect(names).toContain("FARCALL_BLOCK");
    expect(names.filter((name) => /TOKEN|SECRET|VITEST|npm_/i.test(name))).toEqual([]);
  });

  it("lets a task know itself, and answers for a forked child only once", async () => {
    const fn = py(
      "import farcall_task, os\ndef f():\n    os.fork()\n    return [farcall_task.id, farcall_task.attempt]\n",
    );
    const { id, value } = await agent.call(fn, [], { attempt: 2 });
    expect(value).toEqual([id, 3]);
    expect((await agent.call(py("def f():\n    return 1\n"), [])).value).toBe(1);
  });

  it("says when no Python is there", async () => {
    const other = await startTestAgent({ type, python: "/no/such/python" });
    const fn = other.register({ runtime: "python", entry: "f" }, "def f(): pass\n");
    const { outcome, failure } = await other.call(fn, []);
    expect([outcome, failure?.code]).toEqual(["failed", "LOAD_ERROR"]);
    expect(failure?.message).toContain("/no/such/python");
    await other.stop();
  });
});
