/** FAULTS.md A3, at its size: a million tasks for an agent that is offline for a fortnight. The gateway's clock is moved by libfaketime. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { createFakeClock, removeLeftClocks, whyNoFakeClock } from "../support/fake-clock.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const DAY_S = 86_400;
const DAY_MS = DAY_S * 1_000;
const BATCH = 10_000;
/** How many of which time to live; those without one have the usual 14 days. */
const GROUPS = {
  short: { count: 200_000, ttlMs: 12 * DAY_MS },
  usual: { count: 300_000, ttlMs: undefined },
  long: { count: 500_000, ttlMs: 20 * DAY_MS },
} as const;
/** What the backlog would take is several times as much. */
const AGENT_MB = 300;
const GATEWAY_MB = 400;
const WAIT = { timeoutMs: 600_000 };

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoFakeClock();
describe.skipIf(why)(
  `a million for an agent that is away${why ? ` (skipped: ${why})` : ""}`,
  { timeout: 1_500_000 },
  () => {
    it("A3: those whose time is over say so and never run, the others do, and nobody's memory holds the backlog", async () => {
      const dir = mkdtempSync(join(tmpdir(), "farcall-million-"));
      cleanup.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
      cleanup.push(removeLeftClocks);
      const clock = createFakeClock(join(dir, "clock"), "+0");
      const config = { node: { cores: 2 }, policy: { workersPerNode: 2 } };
      const stack = await startStack({ dir, endpoints: [{ name: "laptop", config }], env: clock.env });
      cleanup.push(() => stack.stop());
      const farcall = new Farcall({ url: stack.url, token: stack.token });
      cleanup.push(() => farcall.close());
      await stack.kill("agent");
      const ran = join(dir, "ran");
      const mark = farcall.function(
        async (file: string, key: string) => (await import("node:fs")).appendFileSync(file, `${key}\n`),
        { name: "mark" },
      );
      const nothing = farcall.function(() => null, { name: "nothing" });

      for (const [name, { count, ttlMs }] of Object.entries(GROUPS)) {
        const group = farcall.group(name);
        const limits = ttlMs === undefined ? {} : { ttlMs };
        const marks = group.function(mark).with(limits);
        const noops = group.function(nothing).with(limits);
        for (let sent = 0; sent < count; sent += BATCH) {
          const submit = () => (name === "long" ? noops.submit() : marks.submit(ran, name)).accepted;
          await Promise.all(Array.from({ length: BATCH }, submit));
        }
      }
      const unfinished = async (name: string) => {
        const { items } = await farcall.call("listGroups", { query: {} });
        return items.find((group) => group.name === name)?.unfinished;
      };
      const all = (name: keyof typeof GROUPS) => unfinished(name).then((count) => count === GROUPS[name].count);
      for (const name of ["short", "usual", "long"] as const) expect(await all(name), name).toBe(true);

      clock.set(`+${13 * DAY_S}`);
      await waitFor(async () => (await unfinished("short")) === 0, { what: "the end of the short ones", ...WAIT });
      expect([await all("usual"), await all("long")]).toEqual([true, true]);
      clock.set(`+${15 * DAY_S}`);
      await waitFor(async () => (await unfinished("usual")) === 0, { what: "the end of the usual ones", ...WAIT });
      expect(await all("long")).toBe(true);

      const agent = await startOwnAgent({ dir: stack.endpoints[0]?.dir ?? "", env: clock.env });
      cleanup.push(agent.stop);
      let most = 0;
      await waitFor(
        async () => {
          const { leased, running } = await farcall.endpoints.get("laptop");
          most = Math.max(most, leased + running);
          return (await unfinished("long")) === 0;
        },
        { what: "the end of the long ones", ...WAIT },
      );
      // Counts are exact up to a cap; that nothing is unfinished, and none has another end, says the rest.
      const ends = { short: "expired", usual: "expired", long: "succeeded" };
      for (const [name, end] of Object.entries(ends)) {
        const { counts, cappedAt } = await farcall.call("countTasks", { query: { group: name } });
        const seen = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
        expect(seen, name).toEqual({ [end]: cappedAt });
      }
      expect(existsSync(ran), "what has expired never ran").toBe(false);
      expect(most, "held at once: what the slots and a tenth of a second can take").toBeLessThan(20_000);
      expect(peakMb(agent.pid), "MB of the agent").toBeLessThan(AGENT_MB);
      expect(peakMb(stack.pid("gateway")), "MB of the gateway").toBeLessThan(GATEWAY_MB);
    });
  },
);

function peakMb(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
