import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../../cli/exit-codes.ts";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";
import { type CliHome, createCliHome } from "../../support/cli.ts";
import { processesUnder } from "../../support/processes.ts";
import { clientConfig, SSHD, sessionsOf, startSshd, type TestSshd } from "../../support/sshd.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("farcall endpoint deploy, on a real sshd", () => {
  let home: CliHome;
  let sshd: TestSshd & AsyncDisposable;
  let config: string;
  const deploy = (...args: string[]) => [
    "endpoint",
    "deploy",
    "site",
    "--ssh-config",
    config,
    "--node",
    process.execPath,
    ...args,
  ];

  beforeAll(async () => {
    home = await createCliHome();
    sshd = await startSshd();
    config = clientConfig({ site: sshd });
    const up = await home.run(["up", "--detach"]);
    if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
  });
  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
    await home.remove();
  });

  it("brings an endpoint online that runs functions", async () => {
    const run = await home.run(deploy("--start", "nohup"));
    expect(run.stderr).toMatch(/agent sent/);
    expect(run.stderr).toMatch(/after a reboot of .*`farcall endpoint start site` starts it again/);
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^endpoint site is online/) });
    expect((await home.run(["run", "-e", "site", "--", "echo", "from the site"])).stdout).toBe("from the site\n");
  });

  it("leaves files there that only their owner may read", () => {
    const dir = join(sshd.home, ".local/state/farcall/endpoints/site");
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(dir, "agent.log"), "utf8")).not.toContain("farcall_");
    for (const file of ["config.yaml", "credentials.json", "agent.log"])
      expect(statSync(join(dir, file)).mode & 0o077).toBe(0);
    expect(JSON.parse(readFileSync(join(dir, "credentials.json"), "utf8")).token).toMatch(/^farcall_/);
  });

  it("may be repeated: nothing is sent twice, the endpoint and its work stay", async () => {
    const before = await home.json<{ id: string; epoch: number }>(["endpoint", "status", "site"]);
    const run = await home.run(deploy("--start", "nohup"));
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toContain("the agent is there");
    expect(run.stderr).toContain(`configuration kept, registered as ${before.id}`);
    expect(await home.json(["endpoint", "status", "site"])).toMatchObject({ id: before.id, epoch: before.epoch + 1 });
  });

  it("B18: the agent goes on when the SSH connection, and the whole sshd, are killed", async () => {
    const { site } = await home.json<{ site: { pid: number } }>(["endpoint", "status", "site"]);
    await sshd.stop();
    for (const pid of sessionsOf(sshd)) process.kill(pid, "SIGKILL");
    expect((await home.run(["run", "-e", "site", "--", "echo", "still here"])).stdout).toBe("still here\n");
    await sshd.start();
    expect((await home.json<{ site: { pid: number } }>(["endpoint", "status", "site"])).site.pid).toBe(site.pid);
  });

  it("starts an agent that crashed again, but not one that was stopped meanwhile", async () => {
    const agent = async () =>
      (await home.json<{ site: { pid?: number; state: string } }>(["endpoint", "status", "site"])).site;
    const crash = async () => process.kill((await agent()).pid as number, "SIGKILL");
    const launchers = () =>
      processesUnder(join(sshd.home, ".local"), "pid")
        .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("launch.sh"))
        .map(Number);
    const first = (await agent()).pid;
    await crash();
    await expect.poll(async () => (await agent()).pid ?? first).not.toBe(first);
    // The shell that would start it again is held, so that the word to stop comes before it does, however slow this is.
    const [launcher] = launchers();
    process.kill(launcher as number, "SIGSTOP");
    await crash();
    expect(await home.json(["endpoint", "stop", "site"])).toMatchObject({ state: "not-running" });
    process.kill(launcher as number, "SIGCONT");
    // It ends instead.
    await expect.poll(launchers).toEqual([]);
    expect((await agent()).state).toBe("not-running");
    expect(await home.json(["endpoint", "start", "site"])).toMatchObject({ state: "started" });
  });

  it("says what the gateway knows when the site does not answer", async () => {
    await sshd.stop();
    const { stdout, code } = await home.run(["endpoint", "status", "site"]);
    expect({ stdout, code }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^site: online[\s\S]*not asked \(SSH_FAILED/),
    });
    await sshd.start();
  });

  it("shows, restarts, stops and starts it over SSH; each may be repeated", async () => {
    const pid = async () => (await home.json<{ site: { pid?: number } }>(["endpoint", "status", "site"])).site.pid;
    const first = await pid();
    expect(await home.json(["endpoint", "start", "site"])).toMatchObject({ state: "running", pid: first });
    expect(await home.json(["endpoint", "restart", "site"])).toMatchObject({ state: "started" });
    expect(await pid()).not.toBe(first);
    expect(await home.json(["endpoint", "stop", "site", "--now"])).toMatchObject({ state: "stopped" });
    expect(await home.json(["endpoint", "stop", "site"])).toMatchObject({ state: "not-running" });
    expect((await home.run(["endpoint", "status", "site"])).stdout).toContain("no agent runs");
    expect(await home.json(["endpoint", "start", "site"])).toMatchObject({ state: "started" });
  });

  it("checks the configuration there before it stops the agent for it", async () => {
    const pid = async () => (await home.json<{ site: { pid?: number } }>(["endpoint", "status", "site"])).site.pid;
    const file = join(sshd.home, ".local/state/farcall/endpoints/site/config.yaml");
    const good = readFileSync(file, "utf8");
    const before = await pid();
    writeFileSync(file, `${good}nonsense: 1\n`);
    for (const command of ["restart", "upgrade"]) {
      const run = await home.run(["endpoint", command, "site"]);
      expect(run.code).not.toBe(0);
      expect(run.stderr).toMatch(/CONFIG_INVALID: .*nothing was stopped: .*config\.yaml:\d+:\d+: .*nonsense/s);
      expect(await pid()).toBe(before);
    }
    writeFileSync(file, good);
  });

  it("prints the agent's log at the site", async () => {
    expect((await home.run(["endpoint", "logs", "site"])).stdout).toMatch(/agent started, epoch \d/);
    const following = home.start(["endpoint", "logs", "site", "-f", "-n", "5"]);
    await expect.poll(following.stdout, { timeout: 20_000 }).toMatch(/agent started/);
    following.child.kill("SIGINT");
    expect((await following.done).code).toBe(EXIT.ok);
  });

  it("says where it is in the list, and what its site is", async () => {
    expect((await home.run(["endpoint", "list"])).stdout).toMatch(/^site +online.* at site /m);
    const report = await home.json<{ ok: boolean; findings: { check: string; state: string }[]; config: string }>([
      "doctor",
      "--site",
      "site",
      "--ssh-config",
      config,
    ]);
    const states = Object.fromEntries(report.findings.map(({ check, state }) => [check, state]));
    expect(states).toMatchObject({
      system: "ok",
      node: "ok",
      clock: "ok",
      "agent stays": "ok",
      gateway: expect.stringMatching(/ok|warning/),
    });
    expect(parseConfig(report.config)).toMatchObject({ config: { name: "site" } });
  });

  it("keeps the name of an endpoint that another site has", async () => {
    await using other = await startSshd();
    const elsewhere = clientConfig({ other });
    const args = [
      "endpoint",
      "deploy",
      "other",
      "--name",
      "site",
      "--ssh-config",
      elsewhere,
      "--node",
      process.execPath,
    ];
    const run = await home.run(args);
    expect(run.stderr).toMatch(/CONFLICT: an endpoint site exists, and this site does not have its token/);
    expect((await home.json<{ site: { target: string } }>(["endpoint", "status", "site"])).site.target).toBe("site");
  });

  it("upgrades it as it was deployed", async () => {
    const run = await home.run(["endpoint", "upgrade", "site"]);
    expect(run, run.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("is online") });
  });

  it("removes it, at the site and at the gateway", async () => {
    const unconfirmed = await home.run(["endpoint", "remove", "site"]);
    expect(unconfirmed).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringMatching(/UNCONFIRMED: .*\n.*Say --yes/),
    });
    expect(await home.json(["endpoint", "remove", "site", "--yes"])).toMatchObject({ state: "removed" });
    expect(existsSync(join(sshd.home, ".local/state/farcall/endpoints"))).toBe(false);
    expect(existsSync(join(sshd.home, ".local/share/farcall"))).toBe(false);
    expect((await home.run(["endpoint", "status", "site"])).code).toBe(EXIT.notFound);
    expect((await home.run(["endpoint", "remove", "site", "--yes"])).code).toBe(EXIT.notFound);
    expect(processesUnder(join(sshd.home, ".local"))).toEqual([]);
  });
});
