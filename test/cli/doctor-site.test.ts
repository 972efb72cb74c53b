/** What doctor says of a site and of a node, and that what it prints can be given to the next command. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeFindings } from "../../cli/doctor/node.ts";
import { linkAndShared, queueFindings } from "../../cli/doctor/site-batch.ts";
import { hostFindings } from "../../cli/doctor/site-host.ts";
import { EXIT } from "../../cli/exit-codes.ts";
import { hereScripts, probeSite } from "../../deploy/ssh/site/look.ts";
import type { SiteFacts } from "../../deploy/ssh/site/probe.ts";
import { plainQueue } from "../../deploy/ssh/site/queue.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";

const here = await probeSite(hereScripts, undefined);
const host = (changes: Partial<SiteFacts>, check: string) =>
  hostFindings({ ...here, ...changes }, "there").find((finding) => finding.check === check);
const queues = (scheduler: string, found: Partial<Parameters<typeof queueFindings>[1]>) =>
  queueFindings({ ...here, scheduler }, { queues: [], accounts: [], ...found });

describe("of a login node doctor says, with what to do about it,", () => {
  it("that a quota is nearly used up, though the file system has room", () => {
    const quota = { usedBytes: 99e9, limitBytes: 100e9 };
    expect(host({ quota, freeBytes: 1e13 }, "home")).toMatchObject({
      state: "wrong",
      next: expect.stringContaining("--dir"),
    });
    expect(host({ quota: { usedBytes: 5e9, limitBytes: 100e9 }, freeBytes: 1e13 }, "home")).toMatchObject({
      state: "ok",
    });
  });

  it("that logind would end an agent that does not linger", () => {
    const way = { killsLeftover: true, lingers: false };
    expect(host(way, "agent stays")).toMatchObject({
      state: "warning",
      next: expect.stringContaining("enable-linger"),
    });
    expect(host({ killsLeftover: false }, "agent stays")).toMatchObject({ state: "ok" });
  });

  it("that processes or files are too few", () => {
    expect(host({ limits: { processes: 30, files: 1024 } }, "limits")).toMatchObject({ state: "warning" });
    expect(host({ limits: { processes: undefined, files: undefined } }, "limits")).toMatchObject({ state: "ok" });
  });

  it("that its name leads to itself alone, so that nodes cannot dial it", () => {
    const facts = { ...here, scheduler: "slurm", address: "127.0.1.1", interfaces: ["ib0=10.1.2.3"] };
    const [shared, link] = linkAndShared({ ...facts, shared: false }, "here");
    expect(link).toMatchObject({ state: "warning", found: expect.stringContaining("ib0=10.1.2.3") });
    expect(shared).toMatchObject({ state: "warning", next: expect.stringContaining("XDG_STATE_HOME") });
    expect(linkAndShared({ ...facts, address: "10.1.2.3", shared: true }, "here").map(({ state }) => state)).toEqual([
      "ok",
      "ok",
    ]);
  });

  it("which queues are open to the user, with their limits, and which are not and why", () => {
    const open = { ...plainQueue("debug"), standard: true, walltimeMs: 1_800_000, nodes: 1 };
    const closed = { ...plainQueue("physics"), open: false, access: "only accounts phys" };
    const [, found] = queues("slurm", { queues: [open, closed] });
    expect(found?.found).toBe(
      "debug (the default, up to 30 min, 1 node); not for you or not open: physics (only accounts phys)",
    );
    expect(queues("slurm", { queues: [closed] })[1]).toMatchObject({ state: "wrong", next: expect.any(String) });
  });

  it("which account is charged, or that one has to be chosen", () => {
    const account = (found: object) => queues("slurm", { queues: [plainQueue("q")], ...found }).at(-1);
    expect(account({ accounts: ["a", "b"] })).toMatchObject({
      state: "warning",
      next: expect.stringContaining("provider.account"),
    });
    expect(account({ accounts: ["a", "b"], standardAccount: "b" })).toMatchObject({ state: "ok" });
    expect(account({})).toMatchObject({ state: "ok" });
  });
});

describe("of a compute node", () => {
  const times = { submittedAt: 1_000, startedAt: 5_000_000, askedForDirectory: true };
  const lines =
    "host=n1\nlibc=glibc 2.17\nclock=5000\npython=Python 3.4.1\nlimit.processes=20\nlimit.files=1024\nend=yes\n";
  const of = (text: string, check: string) => nodeFindings(text, times).find((finding) => finding.check === check);

  it("it says what a task found there", () => {
    expect(of(lines, "python")).toMatchObject({
      state: "warning",
      found: "3.4.1",
      next: expect.stringContaining("workers.init"),
    });
    expect(of(lines, "limits")).toMatchObject({ state: "warning" });
    expect(of(lines, "shared")).toMatchObject({ state: "warning" });
    expect(of(lines, "clock")).toMatchObject({ state: "ok" });
    expect(of(lines.replace("5000", "9000"), "clock")).toMatchObject({ state: "warning" });
    expect(() => nodeFindings("host=n1\n", times)).toThrow(/did not come to its end/);
  });
});

// Where Slurm is installed and does not run its commands take their time.
describe("farcall doctor", { timeout: 120_000 }, () => {
  let home: CliHome;
  beforeAll(async () => {
    home = await createCliHome();
    const up = await home.run(["up", "--detach"]);
    if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
  });
  afterAll(() => home.remove());

  it("writes a configuration that configure takes, under the endpoint's name", async () => {
    const file = join(home.dir, "site.yaml");
    const nowhere = await home.run(["doctor", "--site", "here", "--write", join(file, "missing")]);
    expect(nowhere.stderr).toMatch(/BAD_REQUEST: --write: ENOENT/);
    const seen = await home.run(["doctor", "--site", "here", "--write", file]);
    expect(seen.stdout).toContain(`farcall endpoint configure <name> --config ${file}`);
    const made = await home.json<{ config: string }>(["endpoint", "configure", "cluster", "--config", file]);
    expect(readFileSync(made.config, "utf8")).toMatch(/^name: cluster$/m);
    const piped = await home.run(["endpoint", "configure", "other", "--config", "-"], {
      input: readFileSync(file, "utf8"),
    });
    expect(piped).toMatchObject({ code: 0 });
    const missing = await home.run(["endpoint", "configure", "third", "--config", join(home.dir, "none")]);
    expect(missing).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringMatching(/CONFIG_INVALID: .*none cannot be read/),
    });
  });

  it("looks at a node by a task, asks before it costs a block, and says it as JSON", async () => {
    const asked = await home.run(["doctor", "--endpoint", "laptop"]);
    expect(asked).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining("--yes") });
    const { findings } = await home.json<{ findings: { check: string; state: string; found: string }[] }>([
      "doctor",
      "--endpoint",
      "laptop",
      "--yes",
    ]);
    expect(findings.map(({ check }) => check)).toEqual([
      "a task ran",
      "node",
      "shared",
      "python",
      "node.js",
      "limits",
      "scratch",
      "clock",
    ]);
    expect(findings.find(({ check }) => check === "shared")).toMatchObject({ state: "ok" });
    expect((await home.run(["doctor", "--endpoint", "cluster"])).stderr).toContain("ENDPOINT_OFFLINE");
  });
});
