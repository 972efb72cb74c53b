/** What a provider must do when its scheduler fails. Only stand-ins can be told to. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uptimeMs } from "../../../endpoint-agent/clock.ts";
import type { Contact } from "../../../endpoint-agent/provider/batch/absences.ts";
import type { JobStatus } from "../../../endpoint-agent/provider/port.ts";
import type { Fault } from "../../support/stand-ins/control.ts";
import { mostAtOnce, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { waitFor } from "../../support/wait-for.ts";
import { eventually, isGone, isRunning, type Site, type World } from "./site.ts";

type Here = { site: Site; world: World; standIn: StandIn; commands: NonNullable<Site["commands"]> };

/** Declares the tests inside the suite of `providerConformance`. */
export function faultConformance(open: () => { site: Site; world: World }): void {
  const here = (): Here => {
    const { site, world } = open();
    if (!site.standIn || !site.commands) throw new Error("faults need a stand-in and the names of its commands");
    return { site, world, standIn: site.standIn, commands: site.commands };
  };
  const started = async ({ world }: Here) => {
    const block = world.request("sleep 300");
    const job = await world.provider.submit(block);
    await world.until(job, isRunning, "the start");
    await waitFor(() => existsSync(join(block.dir, "exit")), { what: "the script" });
    return { job, block };
  };
  const ended = async ({ world }: Here, job: string) => {
    await world.provider.cancel([job], { force: false });
    await world.until(job, isGone, "the end");
  };

  const bad: [string, Fault][] = [
    ["fails", { do: "answer", code: 1, stderr: "cannot reach the server\n" }],
    ["has no server", { do: "down" }],
    ["prints nothing", { do: "mangle", how: "empty" }],
    ["prints HTML", { do: "mangle", how: "html" }],
    ["prints bytes", { do: "mangle", how: "binary" }],
    ["is cut short", { do: "mangle", how: "half" }],
    ["prints half and fails", { do: "answer", code: 1, stdout: "Job" }],
  ];
  describe("B10: a list says nothing, and the block is unknown, not gone, when it", () => {
    let job: string;
    beforeAll(async () => {
      job = (await started(here())).job;
    });
    afterAll(() => ended(here(), job));
    for (const [how, fault] of bad) {
      it(how, async () => {
        const it = here();
        const heal = it.standIn.fault({ ...fault, command: it.commands.list });
        expect(await unknown(it, job)).toBeUndefined();
        // One failure in passing is no trouble yet.
        await waitFor(
          async () => {
            await it.world.provider.status([job]);
            return it.world.provider.trouble !== null;
          },
          { what: "the trouble" },
        );
        heal();
        await it.world.until(job, (now) => now?.state === "running", "the list");
      });
    }
  });

  it("B9: a list that hangs is ended; the block is unknown, and only one question is asked at a time", async () => {
    const it = here();
    const { job } = await started(it);
    const { provider, stop } = it.world.other({ commandTimeoutMs: 1_000 });
    const before = it.standIn.calls().length;
    const heal = it.standIn.fault({ do: "hang", command: it.commands.list });
    for (let i = 0; i < 3; i++) expect((await provider.status([job])).get(job)).toBeUndefined();
    heal();
    stop();
    const calls = it.standIn.calls().slice(before);
    const hung = calls.filter(({ command, end }) => command === it.commands.list && end === undefined);
    expect(hung.length).toBeGreaterThan(0);
    expect(mostAtOnce(hung.map((call) => ({ ...call, end: call.start + 1_000 })))).toBeLessThanOrEqual(2);
    await it.world.until(job, (now) => now?.state === "running", "the list");
    await ended(it, job);
  });

  it("B11: a job that the scheduler has forgotten is unknown, not gone", async () => {
    const it = here();
    const { job } = await started(it);
    it.standIn.control({ forget: true });
    expect(await unknown(it, job)).toBeUndefined();
    it.standIn.control({ forget: [] });
    await ended(it, job);
  });

  it("B11: managers that answer outrank a scheduler that says gone", async () => {
    const it = here();
    const { job, block } = await started(it);
    it.world.contacts.set(block.name, contactNow());
    it.standIn.control({ kill: [it.world.nameOf(block.name)] });
    await waitFor(() =>
      it.standIn.jobs().some((other) => other.name === it.world.nameOf(block.name) && other.state === "done"),
    );
    // Where its lists do not have ended jobs, the last state stays.
    expect((await unknown(it, job))?.state ?? "running").toBe("running");
    it.world.contacts.delete(block.name);
    await it.world.until(job, isGone, "the end");
  });

  it("B12: a submission whose answer was lost is found by its name, and there is one job", async () => {
    const it = here();
    const lost = it.site.lostAnswer;
    for (let trial = 0; trial < 2; trial++) {
      const block = it.world.request("sleep 300");
      const { provider, stop } = it.world.other(lost ? {} : { commandTimeoutMs: 1_500 });
      const heal = it.standIn.fault({ do: "lose", command: it.commands.submit, times: 1, ...lost });
      await expect(provider.submit(block)).rejects.toThrow();
      heal();
      const job = await eventually(() => provider.find(block.name));
      stop();
      expect(job).toBeDefined();
      const name = it.world.nameOf(block.name);
      expect(it.standIn.jobs().filter((other) => other.name === name)).toHaveLength(1);
      await ended(it, job as string);
    }
  });

  it("B8: a refused submission gives the scheduler's own words, and no job", async () => {
    const it = here();
    const block = it.world.request("true");
    const heal = it.standIn.fault({
      do: "answer",
      command: it.commands.submit,
      code: 190,
      stderr: "Job exceeds queue resource limits\n",
    });
    await expect(it.world.provider.submit(block)).rejects.toThrow("Job exceeds queue resource limits");
    heal();
    expect(await eventually(() => it.world.provider.find(block.name))).toBeUndefined();
  });

  it("B7: a block that waits says why, is counted, and can be cancelled", async () => {
    const it = here();
    it.standIn.control({ neverStart: true });
    const job = await it.world.provider.submit(it.world.request("sleep 300"));
    const status = await it.world.until(job, (now) => now !== undefined, "the list");
    expect(status.state).toBe("pending");
    expect(status.reason).not.toBe(null);
    await it.world.provider.cancel([job], { force: false });
    const end = await it.world.until(job, isGone, "the end");
    expect(end.state).toBe("gone");
    it.standIn.control({ neverStart: [] });
  });

  it("B13: an id that comes around again is not taken for the block's job", async () => {
    const it = here();
    const { job } = await started(it);
    const number = Math.max(...it.standIn.jobs().map(({ n }) => n));
    await ended(it, job);
    it.standIn.control({ keepMs: 0 });
    await waitFor(
      async () => {
        await it.world.provider.status([job]);
        return !it.standIn.jobs().some(({ n }) => n === number);
      },
      { what: "the purge" },
    );
    writeFileSync(join(it.standIn.dir, "sequence"), String(number));
    const other = await it.world.provider.submit(it.world.request("sleep 300"));
    expect(other.split("/")[0]).toBe(job.split("/")[0]);
    await it.world.until(other, isRunning, "the start");
    expect((await it.world.provider.status([job])).get(job)?.state).not.toBe("running");
    it.standIn.control({ keepMs: 300_000 });
    await ended(it, other);
  });

  it("B14: a cancel that did nothing is seen, and repeated with force", async () => {
    const it = here();
    const { job } = await started(it);
    const heal = it.standIn.fault({ do: "ignore", command: it.commands.cancel });
    await it.world.provider.cancel([job], { force: false });
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, it.world.provider.statusIntervalMs + 10));
      expect((await it.world.provider.status([job])).get(job)?.state).toBe("running");
    }
    heal();
    await it.world.provider.cancel([job], { force: true }).catch(() => undefined);
    await it.world.until(job, isGone, "the end");
  });

  it("B5: a block whose node is lost without a word is gone at the latest when the scheduler says so", async () => {
    const it = here();
    const { job, block } = await started(it);
    it.standIn.control({ kill: [it.world.nameOf(block.name)] });
    const end = await it.world.until(job, isGone, "the end");
    expect(end.reason).not.toBe(null);
  });
}

function contactNow(): Contact {
  return { at: uptimeMs(), connected: true };
}

/** What is said of a job after the next list was asked for. */
async function unknown({ world, standIn, commands }: Here, job: string): Promise<JobStatus | undefined> {
  const asked = () =>
    standIn.calls().filter(({ command, end }) => command === commands.list && end !== undefined).length;
  const before = asked();
  await waitFor(
    async () => {
      await world.provider.status([job]);
      return asked() > before + 1;
    },
    { what: "two more lists" },
  );
  return (await world.provider.status([job])).get(job);
}
