import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { INLINE_LIMIT_BYTES } from "../../../protocol/task.ts";
import { MANAGERS } from "../../support/managers.ts";
import { type ProgramName, registerProgram } from "./programs.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("results of every size and kind (%s)", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());
  const js = (text: string) => agent.register({ runtime: "javascript" }, text);
  const py = (text: string) => agent.register({ runtime: "python", entry: "f" }, text);
  const bytesOf = {
    javascript: () => js("export default (n) => new Uint8Array(n).fill(7);"),
    python: () => py("def f(n):\n    return b'\\x07' * n\n"),
  };

  const runtimes = type === "node" ? (["javascript", "python"] as const) : (["python"] as const);
  for (const runtime of runtimes) {
    it.each([
      ["no byte", 0, false],
      ["one byte below the inline limit", INLINE_LIMIT_BYTES - 1, false],
      ["the inline limit", INLINE_LIMIT_BYTES, false],
      ["one byte above it", INLINE_LIMIT_BYTES + 1, true],
      ["8 MB", 8_000_000, true],
    ])(`W8: ${runtime}: %s arrives`, async (_, size, blob) => {
      const received = await agent.call(bytesOf[runtime](), [size]);
      expect([received.outcome, received.encoding, received.size !== undefined]).toEqual(["succeeded", "raw", blob]);
      const value = received.value as Uint8Array;
      expect(value.length).toBe(size);
      expect(value.every((byte) => byte === 7)).toBe(true);
    });
  }

  it("W8: 100 MB arrive", async () => {
    const { outcome, size, blob } = await agent.call(registerProgram(agent, type, "bytes"), [100_000_000]);
    expect([outcome, size, blob?.length]).toEqual(["succeeded", 100_000_000, 64]);
  });

  const tooLarge: [string, () => string, unknown[]][] = [
    ["1 GiB and a byte", () => bytesOf.python(), [1024 ** 3 + 1]],
    ["a text that no string can hold", () => js("export default () => Array(40).fill('x'.repeat(2 ** 24));"), []],
  ];
  it.each(tooLarge.slice(0, type === "node" ? 2 : 1))(
    "W8: %s is RESULT_TOO_LARGE, and the worker lives on",
    async (_, register, args) => {
      const { outcome, failure } = await agent.call(register(), args);
      expect([outcome, failure?.code]).toEqual(["failed", "RESULT_TOO_LARGE"]);
    },
  );

  it("passes large arguments through files, and fetches each blob once", async () => {
    const data = new Uint8Array(1_000_000).fill(3);
    const sum = registerProgram(agent, type, "sum");
    expect((await agent.call(sum, [data, 1])).value).toBe(3_000_001);
    const asked = () => agent.frames.filter(({ header }) => header.kind === "need-blob").length;
    const before = asked();
    const ids = [1, 2, 3].flatMap(() => agent.submit(sum, [[data, 2]]));
    for (const id of ids) expect((await agent.result(id)).value).toBe(3_000_002);
    expect(asked() - before).toBe(1);
    const mean = py("def f(data, n):\n    return sum(data) + n\n");
    expect((await agent.call(mean, [data, 4])).value).toBe(3_000_004);
  });

  it("ends a task whose arguments are gone as BLOB_GONE", async () => {
    const fn = registerProgram(agent, type, "same");
    const [id] = agent.submit(fn, [[new Uint8Array(400_000)]]) as [string];
    const blob = [...agent.blobs.keys()].at(-1) as string;
    agent.blobs.delete(blob);
    const { outcome, failure, started } = await agent.result(id);
    expect([outcome, failure?.code, started]).toEqual(["failed", "BLOB_GONE", undefined]);
  });

  const unsendable: [string, typeof js, string, string][] = [
    ["a function", js, "export default () => ({ a: [() => 1] });", "value.a[0]"],
    ["a cycle", js, "export default () => { const x = {}; x.me = x; return x; };", "value.me"],
    ["a symbol", js, "export default () => [Symbol('s')];", "value[0]"],
    ["a getter that throws", js, "export default () => ({ get x() { throw new Error('no'); } });", "value.x"],
    ["toJSON that throws", js, "export default () => [{ toJSON() { throw new Error('no'); } }];", "value[0]"],
    ["an object of Python", py, "def f():\n    return {'a': [object()]}\n", "value.a[0]"],
    ["a cycle of Python", py, "def f():\n    x = []\n    x.append(x)\n    return x\n", "value"],
    ["half a surrogate pair of Python", py, "def f():\n    return [b'', '\\ud800']\n", "value[1]"],
    ["a generator of Python", py, "def f():\n    return (i for i in range(3))\n", "value"],
  ];
  const here = unsendable.filter(([, register]) => type === "node" || register === py);
  it.each(here)("W9: %s is RESULT_NOT_SERIALISABLE and names its path", async (_, register, text, path) => {
    const { outcome, failure } = await agent.call(register(text), []);
    expect([outcome, failure?.code]).toEqual(["failed", "RESULT_NOT_SERIALISABLE"]);
    expect(failure?.details?.path).toContain(path);
  });

  it.runIf(type === "node")("W9: what JSON cannot carry arrives all the same", async () => {
    const fn = js(
      "export default () => [NaN, -0, 10n, undefined, new Date(5), new Map([[1, new Set(['a'])]]), '\\ud800'.length];",
    );
    expect((await agent.call(fn, [])).value).toStrictEqual([
      Number.NaN,
      -0,
      10n,
      undefined,
      new Date(5),
      new Map([[1, new Set(["a"])]]),
      1,
    ]);
  });

  it("W9: what JSON cannot carry goes through a Python function and back", async () => {
    const same = py("def f(*values):\n    return list(values)\n");
    const values = [Number.NaN, 2n ** 70n, new Date(1_700_000_000_123), new Uint8Array([1]), new Float64Array([0.5])];
    expect((await agent.call(same, values)).value).toStrictEqual(values);
  });
});

describe.each(MANAGERS)("PROTOCOL rule 13 (%s)", (type) => {
  let agent: TestAgent;
  const program = (name: ProgramName) => registerProgram(agent, type, name);
  afterEach(() => agent.stop());

  it("rule 13: results are kept until they are taken, and sent again after a reconnect", async () => {
    agent = await startTestAgent({ type, holdTaken: true });
    const fn = program("sleep");
    const big = program("largeLater");
    const first = await agent.call(fn, [1]);
    const [id] = agent.submit(fn, [[200]]) as [string];
    const [large] = agent.submit(big, [[]]) as [string];
    await agent.until(() => agent.starts.length === 2, "both starts");
    await agent.disconnect();
    agent.results.clear();
    await new Promise((resolve) => setTimeout(resolve, 600));
    await agent.listen();
    // What had ended meanwhile, and what had been sent but not taken.
    expect((await agent.result(id)).value).toBe(200);
    expect((await agent.result(first.id)).value).toBe(1);
    expect((await agent.result(large)).size).toBe(500_000);
    const hellos = agent.frames.filter(({ header }) => header.kind === "hello").map(({ header }) => header);
    expect(new Set(hellos.map((hello) => "nonce" in hello && hello.nonce)).size).toBe(1);
    expect(hellos.at(-1)).toMatchObject({ holds: [[large, 1]] });
  });

  it("rule 13: what the agent does not keep after a reconnect is killed and not reported", async () => {
    agent = await startTestAgent({ type });
    const fn = program("sleep");
    const [kept, dropped] = agent.submit(fn, [[1_500], [1_500]]) as [string, string];
    await agent.until(() => agent.starts.length === 2, "both starts");
    agent.setKeep((holds) => holds.filter(([id]) => id === kept));
    await agent.disconnect();
    await agent.listen();
    expect((await agent.result(kept)).value).toBe(1_500);
    expect(agent.results.has(`${dropped}.1`)).toBe(false);
    expect((await agent.call(fn, [1])).value).toBe(1);
  });
});
