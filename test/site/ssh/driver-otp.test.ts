/** An agent that drives a site with one-time passwords: a person logs in for it, at its start and after each loss. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAtTerminal } from "../../support/at-terminal.ts";
import { BIN, type CliHome, createCliHome } from "../../support/cli.ts";
import { OLDEST_PYTHON } from "../../support/managers.ts";
import { type OtpSite, startOtpSite } from "../../support/otp-site.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";

describe("driver: ssh at a site with one-time passwords", () => {
  let home: CliHome;
  let site: OtpSite & AsyncDisposable;
  let standIn: StandIn;
  beforeAll(async () => {
    home = await createCliHome();
    const up = await home.run(["up", "--detach"]);
    if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
    standIn = createStandIn({ kind: "torque" });
    site = await startOtpSite([{ prompts: [{ prompt: "PASSCODE: ", echo: false }], answers: ["314159"] }]);
    const config = join(site.dir, "ssh_config");
    const lines = [
      "HostName 127.0.0.1",
      `Port ${site.port}`,
      "User me",
      "IdentityFile none",
      "IdentityAgent none",
      `UserKnownHostsFile ${join(site.dir, "known_hosts")}`,
    ];
    writeFileSync(config, `Host login.site\n${lines.map((line) => `  ${line}\n`).join("")}`);
    const fields = {
      "provider.type": "torque",
      "provider.binDir": standIn.bin,
      "provider.statusIntervalMs": 10_000,
      "node.cores": 2,
      "node.memoryMb": 500,
      "policy.walltimeMs": 600_000,
      "policy.maxIdleTimeMs": 600_000,
      "workers.python": OLDEST_PYTHON,
      manager: "python",
      // The server forwards no ports: a program in the session listens for managers.
      "driver.forward.address": "127.0.0.1",
    };
    const settings = Object.entries(fields).flatMap(([field, value]) => ["--set", `${field}=${value}`]);
    const there = ["--driver", "ssh", "--host", "login.site", "--ssh-config", config, "--dir", join(site.dir, "work")];
    const configured = await home.run(["endpoint", "configure", "bw", ...there, ...settings]);
    if (configured.code !== 0) throw new Error(configured.stderr);
  });
  afterAll(async () => {
    await home?.run(["endpoint", "stop", "bw", "--now"]);
    await home?.remove();
    await standIn?.stop();
    await site?.[Symbol.asyncDispose]();
  });
  const atTerminal = (args: string[], typed: { at: string; type: string }[]) =>
    runAtTerminal([process.execPath, BIN, "endpoint", ...args], {
      env: { ...home.env, NO_COLOR: "1" },
      cwd: home.dir,
      timeoutMs: 120_000,
      typed,
    });
  const passcode = { at: "PASSCODE: ", type: "314159\r" };
  const newKey = { at: "Type yes, no or the fingerprint: ", type: "yes\r" };
  const echo = async (text: string) => (await home.run(["run", "-e", "bw", "--", "echo", text])).stdout;
  const troubleOf = async () =>
    (await home.json<{ summary?: { trouble: string | null } }>(["endpoint", "status", "bw"])).summary?.trouble ?? null;

  it("is not started without a terminal, and no wrong password is sent", async () => {
    const run = await home.run(["endpoint", "start", "bw"]);
    expect(run.code).not.toBe(0);
    expect(run.stderr).toMatch(
      /SSH_LOGIN_REFUSED: a person has to log in.*no terminal.*\(.*the rsa key SHA256:.*not known/s,
    );
    expect(site.attempts).toEqual([]);
  });

  it("a wrong one is tried once and ends the start", async () => {
    const { code, screen } = await atTerminal(["start", "bw"], [newKey, { at: "PASSCODE: ", type: "1\r" }]);
    expect(code, screen).not.toBe(0);
    expect(screen).toContain("SSH_LOGIN_REFUSED");
    expect(site.attempts.splice(0)).toEqual(["keyboard-interactive 1"]);
  });

  it("starts in the background after the answers, unseen, and runs calls on the site's nodes", async () => {
    const { code, screen } = await atTerminal(["start", "bw"], [passcode]);
    expect(code, screen).toBe(0);
    expect(screen).toMatch(/logged in as me@login\.site[\s\S]*the agent of bw runs/);
    expect(screen).not.toContain("314159");
    expect(await echo("from a node")).toBe("from a node\n");
    expect(standIn.jobs()).toHaveLength(1);
  });

  let meanwhile: ReturnType<CliHome["start"]>;
  it("after a loss says what it needs, asks for nothing by itself, and keeps its block and its work", async () => {
    const mark = join(site.dir, "mark");
    meanwhile = home.start([
      "run",
      "-e",
      "bw",
      "--",
      "sh",
      "-c",
      `echo begun >>${mark}; sleep 4; echo ended | tee -a ${mark}`,
    ]);
    await expect.poll(() => existsSync(mark)).toBe(true);
    const before = site.connections();
    site.cut();
    await expect.poll(troubleOf).toContain("needs you: run `farcall endpoint login bw`");
    await expect.poll(() => readFileSync(mark, "utf8")).toBe("begun\nended\n");
    expect(site.connections()).toBe(before + 1);
    expect(site.attempts.splice(0)).toEqual(["keyboard-interactive 314159"]);
    const status = await home.json<{ summary: { blocks: { state: string }[] } }>(["endpoint", "status", "bw"]);
    expect(status.summary.blocks.map(({ state }) => state)).toEqual(["running"]);
  });

  it("is not stopped by a restart that could not start it again, without a terminal", async () => {
    const pid = async () => (await home.json<{ local: { pid: number } }>(["endpoint", "status", "bw"])).local.pid;
    const before = await pid();
    const run = await home.run(["endpoint", "restart", "bw"]);
    expect(run.code).not.toBe(0);
    expect(run.stderr).toMatch(/SSH_LOGIN_REFUSED: .*nothing was stopped: `farcall endpoint restart bw` at a terminal/);
    expect(await pid()).toBe(before);
  });

  it("goes on after `endpoint login`, and what ended meanwhile was not lost", async () => {
    const { code, screen } = await atTerminal(["login", "bw"], [passcode]);
    expect(code, screen).toBe(0);
    expect(screen).toContain("logged in as me@login.site");
    await expect.poll(troubleOf).toBeNull();
    expect(await meanwhile.done).toMatchObject({ code: 0, stdout: "ended\n" });
    expect(readFileSync(join(site.dir, "mark"), "utf8")).toBe("begun\nended\n");
    const run = await home.run(["endpoint", "restart", "bw"]);
    expect(run.stderr).toMatch(/SSH_LOGIN_REFUSED: .*nothing was stopped/);
    expect(await echo("as before")).toBe("as before\n");
    expect(await home.json(["endpoint", "login", "bw"])).toEqual({ name: "bw", state: "not-needed" });
    expect(standIn.jobs()).toHaveLength(1);
  });

  it("leaves no files of blocks there at its end, and no password anywhere", async () => {
    expect(await home.json(["endpoint", "stop", "bw"])).toMatchObject({ state: "stopped" });
    const [endpoint = ""] = readdirSync(join(site.dir, "work"));
    expect(readdirSync(join(site.dir, "work", endpoint, "blocks"))).toEqual([]);
    const dir = join(home.dir, "state", "farcall", "endpoints", "bw");
    const files = existsSync(dir) ? readdirSync(dir, { recursive: true, withFileTypes: true }) : [];
    const texts = files.filter((file) => file.isFile()).map((file) => readFileSync(join(file.parentPath, file.name)));
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.filter((text) => text.includes("314159"))).toEqual([]);
  });
});
