/** FAULTS.md A3: an agent that is offline for days. A whole stack whose gateway's clock is moved by libfaketime. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { createFakeClock, removeLeftClocks, whyNoFakeClock } from "../support/fake-clock.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const DAY_S = 86_400;
const DAY_MS = DAY_S * 1_000;
const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoFakeClock();
describe.skipIf(why)(`an agent that is offline for days${why ? ` (skipped: ${why})` : ""}`, { timeout: 90_000 }, () => {
  it("A3: its backlog waits in the database, each task for its own time; on return it pulls only what fits", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-days-"));
    cleanup.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
    cleanup.push(removeLeftClocks);
    const clock = createFakeClock(join(dir, "clock"), "+0");
    const config = { node: { cores: 2 }, policy: { workersPerNode: 2 } };
    const stack = await startStack({ dir, endpoints: [{ name: "laptop", config }], env: clock.env });
    cleanup.push(() => stack.stop());
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(() => farcall.close());
    const evidence = join(dir, "evidence");
    await stack.kill("agent");

    const run = farcall.function(witness, { name: "witness" });
    const task = run.submit(evidence, "usual", 1);
    const short = run.with({ ttlMs: 12 * DAY_MS }).submit(evidence, "short", 1);
    const long = run.with({ ttlMs: 20 * DAY_MS }).submit(evidence, "long", 1);
    const backlog = Array.from({ length: 2_000 }, (_, i) =>
      run.with({ ttlMs: 20 * DAY_MS }).submit(evidence, `k${i}`, 5),
    );
    const outcomes = Promise.allSettled([task, short, long].map((one) => Promise.resolve(one)));
    const view = async (id: string) => farcall.tasks.get(id);
    await waitFor(async () => (await view(backlog.at(-1)?.id ?? "").catch(() => undefined))?.state === "queued");
    const { submittedAt, expiresAt } = (await view(task.id)) as unknown as { submittedAt: number; expiresAt: number };
    expect(expiresAt - submittedAt, "the usual time to live is visible").toBe(14 * DAY_MS);

    clock.set(`+${13 * DAY_S}`);
    await waitFor(async () => (await view(short.id)).state === "expired", { what: "the end of the short one" });
    expect((await view(task.id)).state).toBe("queued");
    clock.set(`+${15 * DAY_S}`);
    await waitFor(async () => (await view(task.id)).state === "expired", { what: "the end of the usual one" });
    expect((await view(long.id)).state).toBe("queued");

    const agent = await startOwnAgent({ dir: stack.endpoints[0]?.dir ?? "", env: clock.env });
    cleanup.push(agent.stop);
    let most = 0;
    await waitFor(async () => {
      const { leased, running } = await farcall.endpoints.get("laptop");
      most = Math.max(most, leased + running);
      return (await view(backlog.at(-1)?.id ?? "")).state === "succeeded";
    });
    await Promise.all(backlog);
    expect(most, "held at once: what the slots and a tenth of a second can take").toBeLessThan(1_000);
    const [usual, early, late] = await outcomes;
    expect(usual).toMatchObject({ status: "rejected", reason: { code: "EXPIRED" } });
    expect(early).toMatchObject({ status: "rejected", reason: { code: "EXPIRED" } });
    expect(late).toMatchObject({ status: "fulfilled", value: "long" });
    const { starts } = judge(readEvidence(evidence));
    expect(starts.has("usual") || starts.has("short")).toBe(false);
    expect(starts.size).toBe(2_001);
  });
});
