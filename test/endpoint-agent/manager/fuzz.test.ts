/** Frames of an agent with something changed in them, by a seed: a manager neither ends nor hangs, and takes up its work again. */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame } from "../../../protocol/frame.ts";
import { definitionText } from "../../../protocol/function.ts";
import { newId } from "../../../protocol/ids.ts";
import { MANAGERS } from "../../support/managers.ts";
import { isAlive, nonceOf } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

const ROUNDS = Number(process.env.FARCALL_FUZZ_ROUNDS ?? 150);
const SEED = Number(process.env.FARCALL_FUZZ_SEED ?? 20_261);
const sha256 = (data: Uint8Array | string) => createHash("sha256").update(data).digest("hex");

/** Numbers from a seed: mulberry32. */
function random(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Recorded = { header: Record<string, unknown>; body: Uint8Array };
const JUNK = [
  null,
  true,
  -1,
  0.5,
  2 ** 53,
  1e300,
  "",
  "../../x",
  "\ud800",
  [],
  {},
  [[]],
  { __proto__: null, a: 1 },
  "x",
];

/** One of each kind that does not end a manager. */
function corpus(id: string): Recorded[] {
  const code = new TextEncoder().encode("def f(x):\n    return x\n");
  const definition = { runtime: "python" as const, entry: "f", code: sha256(code) };
  const fn = sha256(definitionText(definition));
  const spec = {
    key: 700,
    owner: "ann",
    function: fn,
    timeoutMs: 500,
    env: { A: "b" },
    resources: { cores: 1, memoryMb: 0, gpus: 0 },
  };
  const task = { lease: 1, attempt: 0 };
  const none = new Uint8Array(0);
  const frames: [Record<string, unknown>, Uint8Array][] = [
    [{ kind: "tasks", specs: [spec], tasks: [{ ...task, id, spec: 0, length: 3 }] }, Buffer.from("[1]")],
    [{ kind: "tasks", specs: [spec], tasks: [{ ...task, id: newId(), blob: sha256(code), size: 20 }] }, none],
    [{ kind: "function", function: fn, definition }, code],
    [{ kind: "function-error", function: fn, code: "UNAVAILABLE", message: "later" }, none],
    [{ kind: "blob-chunk", blob: sha256(code), offset: 0, size: code.length, end: true }, code],
    [{ kind: "blob-error", blob: sha256("y"), message: "it is gone" }, none],
    [{ kind: "taken-blob", blob: sha256(code), task: id, lease: 1, error: "full", again: true }, none],
    [{ kind: "beat-answer", sentAt: 1, remainingDeadlineMs: 60_000 }, none],
    [{ kind: "taken", message: 1 }, none],
    [{ kind: "start", id, lease: 1, go: true }, none],
    [{ kind: "cancel", leases: [[id, 1]] }, none],
    [{ kind: "watch", task: id, watch: true }, none],
    [{ kind: "give-back", count: 1 }, none],
  ];
  return frames.map(([header, body]) => ({ header, body }));
}

/** Puts something else at one place of a header. */
function withJunk(value: unknown, below: (n: number) => number): unknown {
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  if (keys.length === 0 || below(4) === 0) return JUNK[below(JUNK.length)];
  const copy = structuredClone(value) as Record<string, unknown>;
  const key = keys[below(keys.length)] as string;
  if (below(6) === 0) delete copy[key];
  else copy[key] = withJunk(copy[key], below);
  return copy;
}

function mutated({ header, body }: Recorded, below: (n: number) => number): Uint8Array {
  if (below(2) === 0) return encodeFrame(withJunk(header, below), [body]);
  const bytes = [...encodeFrame(header, [body])];
  for (let i = below(3); i >= 0; i--) {
    const at = below(bytes.length);
    const kind = below(4);
    if (kind === 0) bytes[at] = below(256);
    else if (kind === 1) bytes.splice(at, 1 + below(8));
    else if (kind === 2) bytes.splice(at, 0, ...bytes.slice(at, at + 1 + below(40)));
    else bytes.splice(at, 0, ...Array.from({ length: 1 + below(8) }, () => below(256)));
  }
  return Uint8Array.from(bytes);
}

describe.each(MANAGERS)("a manager (%s) that gets changed frames", (type) => {
  let agent: TestAgent;
  afterEach(() => agent.stop());

  it(`lives through ${ROUNDS} of them`, { timeout: 30_000 + ROUNDS * 1_000 }, async () => {
    agent = await startTestAgent({ type });
    const below = random(SEED);
    const count = (kind: string) => agent.frames.filter(({ header }) => header.kind === kind).length;
    for (let round = 0; round < ROUNDS; round++) {
      const frames = corpus(newId());
      const bytes = mutated(frames[below(frames.length)] as Recorded, below);
      const [hellos, answers] = [count("hello"), count("gave-back")];
      agent.sendBytes(bytes);
      agent.send({ kind: "give-back", count: 0 });
      const what = `an answer after round ${round} of seed ${SEED}: ${Buffer.from(bytes).toString("latin1")}`;
      await agent.until(() => count("gave-back") > answers || count("hello") > hellos, what);
      expect(isAlive(agent.manager.pid as number), what).toBe(true);
    }
    const nonce = nonceOf(agent.frames);
    for (const { header } of agent.frames) if (header.kind === "hello") expect(header.nonce).toBe(nonce);
    const fn = agent.register({ runtime: "python", entry: "f" }, "def f(x):\n    return [x]\n");
    expect((await agent.call(fn, ["well"])).value).toEqual(["well"]);
    expect(agent.log()).not.toContain('"level":50');
    // What they named and never sent is asked for no more than what they sent is kept.
    expect(agent.memoryMb()).toBeLessThan(400);
  });
});
