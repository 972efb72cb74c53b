import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { createStandIn, type StandIn } from "../support/stand-ins/stand-in.ts";
import { waitFor } from "../support/wait-for.ts";

let standIn: StandIn | undefined;
let stack: TestStack | undefined;
let farcall: Farcall | undefined;
afterEach(async () => {
  await farcall?.close();
  await stack?.stop();
  await standIn?.stop();
});

describe("an endpoint at a stand-in for", () => {
  it.each([
    ["lsf", undefined],
    ["flux", ["flux", "flux-batch", "flux-jobs", "flux-cancel"]],
  ] as const)("%s goes from no block to one and back to none", async (kind, commands) => {
    standIn = createStandIn({ kind, ...(commands ? { commands } : {}), settings: { killDelayMs: 500 } });
    const config = {
      provider: { type: kind, binDir: standIn.bin, statusIntervalMs: 10_000 },
      link: { address: "127.0.0.1" },
      policy: { maxBlocks: 1, maxIdleTimeMs: 500, walltimeMs: 600_000 },
      node: { cores: 2, memoryMb: 500 },
    };
    stack = await startStack({ endpoints: [{ name: "cluster", config }] });
    farcall = new Farcall({ url: stack.url, token: stack.token });
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(standIn.jobs()).toEqual([]);
    expect(await square(12)).toBe(144);
    const there = standIn;
    expect(there.jobs().map(({ state }) => state)).toEqual(["running"]);
    await waitFor(() => there.jobs().every(({ state }) => state === "done"), { what: "the end of the block" });
  });
});
