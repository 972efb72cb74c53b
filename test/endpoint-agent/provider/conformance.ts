/**
 * What every provider of batch blocks must do, on a real scheduler or on a stand-in for one. A suite calls
 * `providerConformance` with a way to open its site.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobId } from "../../../endpoint-agent/provider/port.ts";
import { waitFor } from "../../support/wait-for.ts";
import { faultConformance } from "./fault-conformance.ts";
import { createWorld, eventually, isGone, isRunning, type Site, type World } from "./site.ts";

export type ConformanceOptions = {
  /** without it only what every scheduler can do is tested */
  withFaults: boolean;
};

/** Declares the suite. `open` is called once; its `stop` at the end. */
export function providerConformance(
  title: string,
  open: () => Promise<Site>,
  { withFaults }: ConformanceOptions,
): void {
  describe(`provider on ${title}`, () => {
    let site: Site;
    let world: World;
    beforeAll(async () => {
      site = await open();
      world = createWorld(site);
    });
    afterAll(async () => {
      world?.stop();
      await site?.stop();
    });

    it("runs a block and sees its end, which its script has written down", async () => {
      const { provider, request, until } = world;
      const block = request("echo started; sleep 1; echo ended");
      const job = await provider.submit(block);
      await until(job, isRunning, "the start");
      const end = await until(job, isGone, "the end");
      expect(end.hopeless).toBeUndefined();
      expect(existsSync(join(block.dir, "exit"))).toBe(true);
      await waitFor(() => world.readLog(block.name).includes("ended"), { what: "the block's output" });
    });

    it("leaves the log of a node's manager alone: its own output goes elsewhere, as many copy it over what is there", async () => {
      const { provider, request, until } = world;
      const block = request("");
      const [log] = block.logFiles as [string];
      const launch = ["/bin/sh", "-c", `echo of the manager >>${log}; echo of the script`];
      const job = await provider.submit({ ...block, launch });
      await until(job, isGone, "the end");
      await waitFor(() => world.readLog(block.name).includes("of the script"), { what: "the script's output" });
      expect(readFileSync(log, "utf8")).toBe("of the manager\n");
    });

    it("tells how a block ended that failed", async () => {
      const { provider, request, until } = world;
      const job = await provider.submit(request("sleep 0.3; echo no licence >&2; exit 3"));
      const end = await until(job, isGone, "the end");
      expect(end.reason).toMatch(/exit code 3|3:0|\b3\b/);
      expect(end.taken).toBeUndefined();
    });

    it("gives each job a name of its own that fits the scheduler", async () => {
      const { provider, request, nameOf, dialect } = world;
      const blocks = [request("sleep 1"), request("sleep 1")];
      const names = blocks.map(({ name }) => nameOf(name));
      expect(new Set(names).size).toBe(2);
      for (const name of names) {
        expect(name.length).toBeLessThanOrEqual(dialect.nameLength);
        expect(name).toMatch(/^[A-Za-z][A-Za-z0-9-]*$/);
      }
      const jobs: JobId[] = [];
      for (const block of blocks) jobs.push(await provider.submit(block));
      expect(new Set(jobs).size).toBe(2);
      for (const job of jobs) await world.until(job, isGone, "the end");
    });

    it("cancels a running block", async () => {
      const { provider, request, until } = world;
      const block = request("sleep 300");
      const job = await provider.submit(block);
      await until(job, isRunning, "the start");
      await waitFor(() => existsSync(join(block.dir, "exit")), { what: "the script" });
      await provider.cancel([job], { force: false });
      const end = await until(job, isGone, "the end");
      expect(end.hopeless).toBeUndefined();
      expect(end.taken, end.reason ?? "").toBe(true);
    });

    it("finds by its name a job that another agent of this endpoint submitted", async () => {
      const { provider, request, until } = world;
      const block = request("sleep 300");
      const job = await provider.submit(block);
      await until(job, (status) => status !== undefined, "the job");
      const other = world.other();
      expect(await eventually(() => other.provider.find(block.name))).toBe(job);
      other.stop();
      await provider.cancel([job], { force: false });
      await until(job, isGone, "the end");
    });

    it("is certain that a block was never submitted only after it has not come up for a while", async () => {
      const block = world.request("true");
      const { provider, stop } = world.other();
      await expect(provider.find(block.name)).rejects.toThrow("not known");
      expect(await eventually(() => provider.find(block.name))).toBeUndefined();
      stop();
    });

    it("asks for one list for all blocks", async () => {
      const { provider, request, until } = world;
      const jobs: JobId[] = [];
      for (let i = 0; i < 3; i++) jobs.push(await provider.submit(request("sleep 2")));
      for (const job of jobs) await until(job, (status) => status !== undefined, "the job");
      const [a, b] = await Promise.all([provider.status(jobs), provider.status(jobs)]);
      expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
      for (const job of jobs) await until(job, isGone, "the end");
    });

    it("B4: the walltime ends a block, and that is not its fault", async (context) => {
      if (site.walltimeMs === null) return context.skip();
      const { provider, request, until } = world;
      const job = await provider.submit(request("sleep 300", { walltimeMs: site.walltimeMs ?? 2_000 }));
      const end = await until(job, isGone, "the end by walltime");
      expect(end.taken, end.reason ?? "").toBe(true);
    });

    it("leaves no file of the scheduler's beside the block's own", () => {
      // They would fill the home directory of whoever started the agent.
      expect(readdirSync(process.cwd()).filter((name) => /\.[oe]\d+$/.test(name))).toEqual([]);
    });

    if (withFaults) faultConformance(() => ({ site, world }));
  });
}
