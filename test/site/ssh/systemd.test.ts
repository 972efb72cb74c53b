import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliHome, createCliHome } from "../../support/cli.ts";
import { processesUnder } from "../../support/processes.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";
import { HAS_SYSTEMD, startUserSystemd, type UserSystemd } from "../../support/user-systemd.ts";

// Not installed, or not root: `apt-get install openssh-server systemd`.
describe.skipIf(!SSHD || !HAS_SYSTEMD)("an agent that a real systemd --user keeps", () => {
  let home: CliHome;
  let sshd: TestSshd & AsyncDisposable;
  let systemd: UserSystemd;
  const runtime = `/tmp/farcall-rt-${process.pid}`;
  beforeAll(async () => {
    home = await createCliHome();
    const up = await home.run(["up", "--detach"]);
    if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
    sshd = await startSshd({ setEnv: { XDG_RUNTIME_DIR: runtime } });
    systemd = await startUserSystemd(sshd.home, runtime);
  });
  afterAll(async () => {
    await home?.remove();
    await systemd?.stop();
    await sshd?.[Symbol.asyncDispose]();
    spawnSync("rm", ["-rf", runtime]);
  });
  const systemctl = (...args: string[]) =>
    spawnSync("systemctl", ["--user", ...args], {
      env: { PATH: process.env.PATH, HOME: sshd.home, XDG_RUNTIME_DIR: runtime },
      encoding: "utf8",
    }).stdout.trim();
  const unit = "farcall-login.service.service";
  const mainPid = () => Number(systemctl("show", "-P", "MainPID", unit));
  const agentPid = async () =>
    (await home.json<{ site: { pid?: number; how?: string } }>(["endpoint", "status", "login.service"])).site.pid;

  it("is started as a service, whatever its name ends in, and the person is told what ends it", async () => {
    const config = clientConfig({ site: sshd });
    const words = [
      "endpoint",
      "deploy",
      "site",
      "--name",
      "login.service",
      "--ssh-config",
      config,
      "--start",
      "systemd",
    ];
    const run = await home.run([...words, "--node", process.execPath]);
    expect(run, run.stderr).toMatchObject({ code: 0 });
    expect(run.stderr).toMatch(/agent runs by systemd/);
    expect(run.stderr).toMatch(/ends with your last login on .*loginctl enable-linger/);
    expect(systemctl("is-active", unit)).toBe("active");
    expect(mainPid()).toBe(await agentPid());
    expect((await home.run(["run", "-e", "login.service", "--", "echo", "by systemd"])).stdout).toBe("by systemd\n");
  });

  it("is started again when it crashed", async () => {
    const first = mainPid();
    process.kill(first, "SIGKILL");
    await expect.poll(mainPid, { timeout: 30_000 }).not.toBeOneOf([0, first]);
    await expect.poll(agentPid, { timeout: 30_000 }).toBe(mainPid());
  });

  it("comes back by itself after a reboot", async () => {
    const before = mainPid();
    await systemd.stop();
    for (const pid of processesUnder(sshd.home, "pid").map(Number)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    systemd = await startUserSystemd(sshd.home, runtime);
    await expect.poll(mainPid, { timeout: 30_000 }).not.toBeOneOf([0, before]);
    await expect.poll(agentPid, { timeout: 30_000 }).toBe(mainPid());
    expect((await home.run(["run", "-e", "login.service", "--", "echo", "again"])).stdout).toBe("again\n");
  });

  it("stops, and stays stopped; starts; leaves nothing when it is removed", async () => {
    expect(await home.json(["endpoint", "stop", "login.service"])).toMatchObject({ state: "stopped" });
    expect(systemctl("is-active", unit)).toBe("inactive");
    expect(systemctl("is-enabled", unit)).toBe("disabled");
    expect(await home.json(["endpoint", "start", "login.service"])).toMatchObject({ state: "started" });
    expect(systemctl("is-active", unit)).toBe("active");
    expect(readFileSync(join(sshd.home, ".config/systemd/user", unit), "utf8")).toContain("StartLimitIntervalSec=0");
    expect((await home.run(["endpoint", "remove", "login.service", "--yes"])).code).toBe(0);
    expect(existsSync(join(sshd.home, ".config/systemd/user", unit))).toBe(false);
    expect(existsSync(join(sshd.home, ".config/systemd/user/default.target.wants", unit))).toBe(false);
    expect(processesUnder(join(sshd.home, ".local"))).toEqual([]);
  });
});
