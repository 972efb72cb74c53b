/** FAULTS.md A8: the disk under the agent's journal is full. A whole stack, its state on a small disk of its own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";
import { whyNoTmpfs } from "./support.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoTmpfs();
describe.skipIf(why)(`A8: an agent on a full disk${why ? ` (skipped: ${why})` : ""}`, { timeout: 90_000 }, () => {
  it("takes nothing new, says why, lets running work end and its results arrive, and recovers by itself", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-disk-"));
    cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
    const state = join(dir, "endpoints", "laptop", "state");
    mkdirSync(state, { recursive: true, mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", state]);
    cleanup.push(() => execFileSync("umount", [state]));
    const stack = await startStack({ dir, endpoints: [{ name: "laptop", config: { orphanTimeoutMs: 60_000 } }] });
    cleanup.push(() => stack.stop());
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(() => farcall.close());
    const slow = async (ms: number, size: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return "x".repeat(size);
    };
    const run = farcall.function(slow, { name: "slow" });
    const stateOf = async (id: string) => (await farcall.tasks.get(id).catch(() => undefined))?.state;
    const trouble = async () => (await farcall.endpoints.get("laptop")).summary?.trouble ?? null;

    const task = run.submit(2_000, 150_000);
    await waitFor(async () => (await stateOf(task.id)) === "running", { what: "its start" });
    fill(join(state, "ballast"));
    // Without a gateway the result would go to the journal, which cannot take it: the manager keeps it.
    await stack.kill("gateway");
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await stack.restart("gateway");
    expect(await task).toHaveLength(150_000);
    await waitFor(async () => (await trouble())?.includes("ENOSPC") ?? false, { what: "the trouble" });

    const later = run.submit(10, 3);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(await stateOf(later.id)).toBe("queued");
    rmSync(join(state, "ballast"));
    expect(await later).toBe("xxx");
    await waitFor(async () => (await trouble()) === null, { what: "the end of the trouble" });
    expect((await farcall.tasks.get(task.id)).attempts).toHaveLength(1);
  });
});

/** Leaves no byte free. */
function fill(path: string): void {
  for (let size = 256 * 1024; size >= 1; size = Math.floor(size / 2)) {
    try {
      writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch {
      // Less, then.
    }
  }
}
