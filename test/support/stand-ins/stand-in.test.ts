/** The machinery of the stand-ins themselves. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { processesUnder } from "../processes.ts";
import { waitFor } from "../wait-for.ts";
import { createStandIn, type StandIn } from "./stand-in.ts";

describe("a stand-in", () => {
  let standIn: StandIn | undefined;
  afterEach(() => standIn?.stop());

  const open = () => {
    standIn = createStandIn({ kind: "torque" });
    return standIn;
  };
  const qsub = ({ bin, dir }: StandIn, script: string, ...args: string[]) =>
    spawnSync(join(bin, "qsub"), ["-j", "oe", ...args], { input: script, encoding: "utf8", cwd: dir }).stdout.trim();
  const job = (site: StandIn, id: string) => site.jobs().find((one) => one.id === id);

  it("gives nodes to as many jobs as there are nodes for, in turn", async () => {
    const site = open();
    site.control({ nodes: 2 });
    const ids = [1, 2, 3].map(() => qsub(site, "sleep 0.5\n", "-l", "nodes=1"));
    await waitFor(() => ids.every((id) => job(site, id)?.state === "done"), { what: "the end of all" });
    const started = site.jobs().map((one) => (one as { started?: number }).started ?? 0);
    expect((started[2] as number) - (started[0] as number)).toBeGreaterThanOrEqual(500);
  });

  it("runs a job again under the same id when it is told to", async () => {
    const site = open();
    const id = qsub(site, "sleep 60\n", "-N", "again");
    await waitFor(() => job(site, id)?.state === "running", { what: "the start" });
    site.control({ requeue: ["again"] });
    await waitFor(() => job(site, id)?.starts === 2, { what: "the second start" });
  });

  it("ends the jobs of a server that was killed, and reports a success that was none", async () => {
    const site = open();
    const id = qsub(site, "sleep 0.5; exit 9\n");
    await waitFor(() => job(site, id)?.state === "running", { what: "the start" });
    process.kill(Number(readFileSync(join(site.dir, "server.pid"), "utf8")), "SIGKILL");
    await waitFor(() => !existsSync(`/proc/${job(site, id)?.pid}`), { what: "the end of the script" });
    qsub(site, "true\n");
    await waitFor(() => job(site, id)?.state === "done", { what: "the end" });
    const { stdout } = spawnSync(join(site.bin, "qstat"), ["-f", id], { encoding: "utf8" });
    expect(stdout).toContain("exit_status = 0");
  });

  it("leaves no process and no directory behind", async () => {
    const site = open();
    qsub(site, "setsid sleep 300 &\nsleep 300\n");
    await waitFor(() => processesUnder(site.dir).some((command) => command.includes("sleep 300")), { what: "the job" });
    await site.stop();
    expect(processesUnder(site.dir)).toEqual([]);
    expect(existsSync(site.dir)).toBe(false);
    standIn = undefined;
  });
});
