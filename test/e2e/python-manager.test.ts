/** Sites too old for Node.js on their nodes: blocks whose managers are the one in Python. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { OLDEST_PYTHON } from "../support/managers.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { createStandIn, type StandIn } from "../support/stand-ins/stand-in.ts";

const node = { cores: 2, memoryMb: 500 };
const python = { manager: "python", node, workers: { python: OLDEST_PYTHON } };

describe("endpoints whose managers are in Python, end to end", () => {
  let standIn: StandIn;
  let stack: TestStack;
  let farcall: Farcall;
  beforeAll(async () => {
    standIn = createStandIn({ kind: "torque" });
    const cluster = {
      ...python,
      provider: { type: "torque", binDir: standIn.bin, statusIntervalMs: 10_000 },
      policy: { maxBlocks: 1, maxIdleTimeMs: 60_000, walltimeMs: 600_000 },
      link: { address: "127.0.0.1" },
    };
    stack = await startStack({
      endpoints: [
        { name: "local", config: python },
        { name: "cluster", config: cluster },
      ],
    });
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterAll(async () => {
    await farcall?.close();
    await stack?.stop();
    await standIn?.stop();
  });

  it.each(["local", "cluster"])(
    "run Python functions and shell commands at %s",
    async (endpoint) => {
      const version = farcall
        .python<() => string>("import sys\ndef version():\n    return sys.executable")
        .with({ endpoint });
      expect(await version()).toBe(OLDEST_PYTHON);
      const sum = farcall.python<(xs: Float64Array) => number>("def total(xs):\n    return sum(xs)").with({ endpoint });
      expect(await sum(Float64Array.of(1, 2, 3.5))).toBe(6.5);
      const many = await Promise.all(Array.from({ length: 200 }, (_, i) => sum(Float64Array.of(i, 1))));
      expect(many).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
      const echo = farcall.command("echo {text}; echo $FARCALL_BLOCK >&2").with({ endpoint });
      expect(await echo({ text: "it's" })).toMatchObject({ stdout: "it's\n", exitCode: 0 });
      await expect(
        farcall.python("def fail():\n    raise ValueError('no')").with({ endpoint })(),
      ).rejects.toMatchObject({
        code: "USER_ERROR",
        message: expect.stringContaining("no"),
      });
    },
    60_000,
  );

  it("refuse JavaScript, and say that Node.js is what they lack", async () => {
    const call = farcall.function((x: number) => x + 1, { name: "next" }).with({ endpoint: "local" });
    await expect(call(1)).rejects.toMatchObject({
      code: "LOAD_ERROR",
      message: expect.stringContaining("no Node.js"),
      details: { missing: "node" },
    });
  }, 60_000);
});
