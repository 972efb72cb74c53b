/** FAULTS.md A10: the directory of the blocks does not answer, as a home directory on a dead file server. A whole stack, a stand-in Slurm. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { startStack } from "../support/stack.ts";
import { mountStalling, whyNoStall } from "../support/stalling-directory.ts";
import { createStandIn } from "../support/stand-ins/stand-in.ts";
import { waitFor } from "../support/wait-for.ts";

/** Several looks at the blocks fall into it. */
const STALLED_MS = 40_000;

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoStall();
describe.skipIf(why)(`a directory of blocks that hangs${why ? ` (skipped: ${why})` : ""}`, { timeout: 180_000 }, () => {
  it("A10: tasks run on, the agent stays online, and no block is taken for gone", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-stall-"));
    cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
    const standIn = createStandIn({ kind: "slurm" });
    cleanup.push(standIn.stop);
    const blocks = await mountStalling(join(dir, "endpoints", "cluster", "run", "blocks"));
    cleanup.push(blocks.unmount);
    const scratch = mkdtempSync(join(tmpdir(), "farcall-scratch-"));
    cleanup.push(() => rmSync(scratch, { recursive: true, force: true }));
    const config = {
      node: { cores: 2, memoryMb: 500 },
      provider: { type: "slurm", binDir: standIn.bin, statusIntervalMs: 10_000 },
      policy: { maxBlocks: 1, maxIdleTimeMs: 300_000, walltimeMs: 600_000 },
      workers: { scratch },
      link: { address: "127.0.0.1" },
    };
    const stack = await startStack({ dir, endpoints: [{ name: "cluster", config }] });
    cleanup.push(() => stack.stop());
    cleanup.push(blocks.goOn);
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(() => farcall.close());
    const next = farcall.function((x: number) => x + 1, { name: "next" });
    expect(await next(1)).toBe(2);
    blocks.stall();
    const until = performance.now() + STALLED_MS;
    let calls = 0;
    await waitFor(
      async () => {
        expect(await next(calls)).toBe(++calls);
        return performance.now() > until;
      },
      { what: "the calls", timeoutMs: 2 * STALLED_MS },
    );
    expect((await farcall.endpoints.get("cluster")).state).toBe("online");
    blocks.goOn();
    expect(await next(calls)).toBe(calls + 1);
    expect(standIn.calls().filter(({ command }) => command === "sbatch")).toHaveLength(1);
  });
});
