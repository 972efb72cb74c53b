/** FAULTS.md A6: two machines, or two containers, share a directory in which no lock can be trusted. Real processes and namespaces. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { EXIT_DO_NOT_RESTART } from "../../endpoint-agent/manager-config.ts";
import { judge, readEvidence } from "../support/evidence.ts";
import { type LostManagers, startLostManagers } from "../support/lost-managers.ts";
import { startOnOtherHost, whyNoOtherHost } from "../support/other-host.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { mountStalling } from "../support/stalling-directory.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoOtherHost();
describe.skipIf(why)(`a directory of two hosts${why ? ` (skipped: ${why})` : ""}`, { timeout: 120_000 }, () => {
  let world: LostManagers;

  /** An agent of this host runs four tasks, two at a time; the other host's view of its directory is another mount. */
  const setUp = async () => {
    world = await startLostManagers("node", {
      orphanTimeoutMs: 10_000,
      node: { cores: 2 },
      policy: { workersPerNode: 2 },
    });
    cleanup.push(world.stop);
    await world.stack.kill("agent");
    const dir = world.stack.endpoints[0]?.dir ?? "";
    const view = join(world.stack.dir, "other-view");
    const stateView = `${view}-of-state`;
    const state = await mountStalling(stateView, join(dir, "state"));
    cleanup.push(state.unmount);
    mkdirSync(view);
    const binds = [
      [dir, view],
      [stateView, join(view, "state")],
    ] as const;
    for (const [from, to] of binds) {
      execFileSync("mount", ["--bind", "--make-private", from, to]);
      cleanup.push(() => execFileSync("umount", ["-l", to]));
    }
    const older = await startOwnAgent({ dir });
    cleanup.push(older.stop);
    const keys = ["a", "b", "c", "d"];
    const tasks = keys.map((key) => world.call(key, 4_000));
    await waitFor(() => ["a", "b"].every((key) => world.starts(key).length === 1), { what: "two starts" });
    const startOther = async (name: string) => {
      const other = await startOnOtherHost({ dir: view, hostname: name });
      cleanup.push(other.stop);
      return other;
    };
    return { older, keys, tasks, startOther };
  };
  const judged = () => {
    const { starts, overlaps } = judge(readEvidence(world.evidence), world.endOf);
    expect(overlaps, "I3: two live attempts").toEqual([]);
    return Object.fromEntries(starts);
  };

  it("A6: of two hosts the one that came later is refused, and the first one's work goes on untouched", async () => {
    const { older, keys, tasks, startOther } = await setUp();
    const other = await startOther("farcall-other-host");
    expect(await other.code(), other.log()).toBe(EXIT_DO_NOT_RESTART);
    expect(other.log()).toContain("ENDPOINT_IN_USE");
    expect(await Promise.all(tasks)).toEqual(keys);
    expect(older.running()).toBe(true);
    expect(judged()).toEqual({ a: 1, b: 1, c: 1, d: 1 });
  });

  it("A6: of two containers of one host, which cannot see each other's processes, the newer stays; nothing runs twice at once", async () => {
    const { older, keys, tasks, startOther } = await setUp();
    const newer = await startOther(hostname());
    expect(newer.running(), newer.log()).toBe(true);
    expect(await older.code()).toBe(EXIT_DO_NOT_RESTART);
    expect(await Promise.all(tasks)).toEqual(keys);
    expect(newer.running(), newer.log()).toBe(true);
    expect(await world.call("e", 1)).toBe("e");
    expect(judged()).toMatchObject({ c: 1, d: 1, e: 1 });
  });

  it("A6: a newer one that cannot see the older one's managers does not take them for dead while the older is stopped", async () => {
    const { older, keys, tasks, startOther } = await setUp();
    process.kill(older.pid, "SIGSTOP");
    const newer = await startOther(hostname());
    expect(await Promise.all(tasks)).toEqual(keys);
    process.kill(older.pid, "SIGCONT");
    expect(await older.code()).toBe(EXIT_DO_NOT_RESTART);
    expect(newer.running(), newer.log()).toBe(true);
    expect(judged()).toMatchObject({ c: 1, d: 1 });
  });
});
