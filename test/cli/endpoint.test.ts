import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";

let home: CliHome;
let dir: string;
beforeAll(async () => {
  home = await createCliHome();
  dir = join(home.stateDir, "endpoints", "second");
  const up = await home.run(["up", "--detach"]);
  if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
});
afterAll(async () => {
  await home.run(["endpoint", "stop", "second", "--now"]);
  await home.remove();
});

describe("farcall endpoint", () => {
  it("configures: writes a file that only its owner reads, registers, and may be repeated", async () => {
    const made = await home.json(["endpoint", "configure", "second", "--workers", "1", "--max-blocks", "2"]);
    expect(made).toMatchObject({ name: "second", written: true, registered: true, config: join(dir, "config.yaml") });
    for (const file of ["config.yaml", "credentials.json"]) expect(statSync(join(dir, file)).mode & 0o077).toBe(0);
    expect(readFileSync(join(dir, "config.yaml"), "utf8")).toMatch(/maxBlocks: 2\n {2}workersPerNode: 1\n/);
    const again = await home.json(["endpoint", "configure", "second"]);
    expect(again).toMatchObject({ id: made.id, written: false, registered: false });
  });

  it("configures an agent that drives a known site over SSH", async () => {
    const configure = (...args: string[]) => home.run(["endpoint", "configure", "bw", ...args]);
    expect((await configure("--host", "me@login")).stderr).toMatch(/CONFIG_INVALID: --host.* belong to --driver ssh/);
    expect((await configure("--driver", "ssh")).stderr).toMatch(/--driver ssh needs --host/);
    const run = await configure(
      "--driver",
      "ssh",
      "--site",
      "blue-waters",
      "--dir",
      "/scratch/me",
      "--max-blocks",
      "3",
    );
    expect(run.code, run.stderr).toBe(0);
    const text = readFileSync(join(home.stateDir, "endpoints", "bw", "config.yaml"), "utf8");
    expect(text).toMatch(/driver:\n {2}type: ssh\n {2}host: bw\.ncsa\.illinois\.edu\n {2}dir: \/scratch\/me\n/);
    expect(text).toMatch(/manager: python\n/);
    expect(text).toMatch(/maxBlocks: 3\n/);
    // Exactly what would be submitted, with the paths that nodes of the site see.
    const script = await home.run(["endpoint", "script", "bw"]);
    expect(script.stdout).toMatch(/\/scratch\/me\/[0-9a-f-]{36}\/blocks\//);
    expect(script.stdout).not.toContain(home.dir);
    expect((await configure("--driver", "ssh", "--host", "other")).stderr).toMatch(/--driver, --host ignored/);
    expect((await home.run(["endpoint", "login", "bw"])).stderr).toMatch(/ENDPOINT_OFFLINE: no agent of bw runs here/);
    expect((await home.run(["endpoint", "delete", "bw", "--yes"])).code).toBe(0);
  });

  it("says what is wrong in a configuration, with its line, and starts nothing", async () => {
    const file = join(dir, "config.yaml");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, good.replace("maxBlocks", "maxBlock"));
    const run = await home.run(["endpoint", "start", "second"]);
    expect(run.code).toBe(EXIT.usage);
    expect(run.stderr).toContain(`${file}:`);
    expect(run.stderr).toContain("policy.maxBlock is unknown; expected `maxBlocks`?");
    writeFileSync(file, good);
  });

  it("starts in the background, once; the endpoint then runs functions", async () => {
    const started = await home.json<{ pid: number }>(["endpoint", "start", "second"]);
    expect(started).toMatchObject({ name: "second", state: "started", epoch: 1 });
    expect(await home.json(["endpoint", "start", "second"])).toEqual({
      name: "second",
      pid: started.pid,
      state: "running",
    });
    expect((await home.run(["run", "-e", "second", "--", "echo", "hello"])).stdout).toBe("hello\n");
  });

  it("shows it: in the list, by name, with its agent and its blocks", async () => {
    const list = await home.json<{ name: string; local: { pid: number } | null }[]>(["endpoint", "list"]);
    expect(list.map(({ name, local }) => [name, typeof local?.pid]).sort()).toEqual([
      ["laptop", "number"],
      ["second", "number"],
    ]);
    const { stdout } = await home.run(["endpoint", "status", "second"]);
    expect(stdout).toMatch(/^second: online, seen .* ago, epoch 1, id /);
    expect(stdout).toMatch(/here: its agent is process \d+/);
    const all = await home.json<{ name: string }[]>(["endpoint", "status"]);
    expect(all.map(({ name }) => name).sort()).toEqual(["laptop", "second"]);
  });

  it("shows it anew until it is interrupted, which is no failure", async () => {
    const watching = home.start(["endpoint", "status", "--watch", "--every", "200ms", "second"]);
    await expect
      .poll(() => watching.stdout().match(/^second: online/gm)?.length ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(1);
    watching.child.kill("SIGINT");
    expect((await watching.done).code).toBe(EXIT.ok);
    const unknown = await home.run(["endpoint", "status", "--watch", "third"]);
    expect(unknown).toMatchObject({ code: EXIT.notFound, stdout: "" });
  });

  it("leaves the agent as it is when a restart would begin with a mistake in the configuration", async () => {
    const file = join(dir, "config.yaml");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, good.replace("maxBlocks", "maxBlock"));
    const run = await home.run(["endpoint", "restart", "second"]);
    writeFileSync(file, good);
    expect(run.code).toBe(EXIT.usage);
    expect(run.stderr).toContain("policy.maxBlock is unknown; expected `maxBlocks`?");
    expect((await home.run(["endpoint", "status", "second"])).stdout).toMatch(/here: its agent is process \d+/);
  });

  it("restarts the agent while its blocks run on", async () => {
    const blocks = async () => {
      const status = await home.json<{ epoch: number; summary: { blocks: { id: string }[] } | null }>([
        "endpoint",
        "status",
        "second",
      ]);
      return (status.summary?.blocks ?? []).map(({ id }) => id);
    };
    await home.run(["run", "-e", "second", "--", "true"]);
    await expect.poll(async () => (await blocks()).length, { timeout: 20_000 }).toBe(1);
    const before = await blocks();
    expect(await home.json(["endpoint", "restart", "second"])).toMatchObject({ epoch: 2, state: "started" });
    expect((await home.run(["run", "-e", "second", "--", "echo", "again"])).stdout).toBe("again\n");
    await expect.poll(blocks, { timeout: 20_000 }).toEqual(before);
  });

  it("prints the agent's log for people, and as JSON lines", async () => {
    const { stdout } = await home.run(["endpoint", "logs", "second", "-n", "50"]);
    expect(stdout).toMatch(/agent started, epoch 2/);
    expect(stdout).toMatch(/T.*Z info +manager connected \(block="/);
    const lines = (await home.run(["endpoint", "logs", "second", "--json", "-n", "3"])).stdout.trim().split("\n");
    expect(lines).toHaveLength(3);
    for (const line of lines) JSON.parse(line);
  });

  it("drains it, and takes that back", async () => {
    expect(await home.json(["endpoint", "drain", "second"])).toEqual({ name: "second", draining: true });
    const state = async () => (await home.json<{ state: string }>(["endpoint", "status", "second"])).state;
    expect(await state()).toBe("draining");
    await home.json(["endpoint", "drain", "second", "--off"]);
    expect(await state()).toBe("online");
    expect((await home.run(["run", "-e", "second", "--", "echo", "back"])).stdout).toBe("back\n");
  });

  it("asks before it declares an endpoint dead or deletes it", async () => {
    for (const command of ["declare-dead", "delete"]) {
      const run = await home.run(["endpoint", command, "second"]);
      expect(run).toMatchObject({ code: EXIT.usage, stdout: "" });
      expect(run.stderr).toContain("--yes");
    }
  });

  it("stops it, and says so when it does not run", async () => {
    expect(await home.json(["endpoint", "stop", "second"])).toEqual({ name: "second", state: "stopped" });
    expect(await home.json(["endpoint", "stop", "second"])).toEqual({ name: "second", state: "not-running" });
    expect(await home.json(["endpoint", "declare-dead", "second", "--yes"])).toMatchObject({ released: 0 });
  });

  it("deletes it, at the gateway and here", async () => {
    expect(await home.json(["endpoint", "delete", "second", "--yes"])).toMatchObject({ name: "second", local: true });
    expect(() => statSync(dir)).toThrow();
    expect((await home.run(["endpoint", "status", "second"])).code).toBe(EXIT.notFound);
  });

  it("names what there is when a name is unknown, and refuses what is no name", async () => {
    const unknown = await home.run(["endpoint", "start", "second"]);
    expect(unknown.code).toBe(EXIT.notFound);
    expect(unknown.stderr).toContain("there are laptop");
    expect((await home.run(["endpoint", "configure", "../evil"])).code).toBe(EXIT.usage);
  });
});
