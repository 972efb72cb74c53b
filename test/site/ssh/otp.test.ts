import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAtTerminal } from "../../support/at-terminal.ts";
import { BIN, type CliHome, createCliHome } from "../../support/cli.ts";
import { type OtpSite, startOtpSite } from "../../support/otp-site.ts";
import { processesUnder } from "../../support/processes.ts";

const hasTmux = spawnSync("tmux", ["-V"]).status === 0;

describe("a site with one-time passwords, at a terminal", () => {
  let home: CliHome;
  let site: OtpSite & AsyncDisposable;
  let config: string;
  beforeAll(async () => {
    home = await createCliHome();
    const up = await home.run(["up", "--detach"]);
    if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
    site = await startOtpSite([
      {
        instructions: "Blue Waters: token code, then Duo",
        prompts: [{ prompt: "PASSCODE: ", echo: false }],
        answers: ["314159"],
      },
      { prompts: [{ prompt: "Passcode or option (1-1): ", echo: true }], answers: ["1"] },
    ]);
    config = join(site.dir, "ssh_config");
    const known = join(site.dir, "known_hosts");
    const lines = [
      "HostName 127.0.0.1",
      `Port ${site.port}`,
      "User me",
      "IdentityFile none",
      "IdentityAgent none",
      `UserKnownHostsFile ${known}`,
    ];
    writeFileSync(config, `Host login.site\n${lines.map((line) => `  ${line}\n`).join("")}`);
  });
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
    await home.remove();
  });

  // The binary is this machine's own: whoever has another libc than its builds need would be told so.
  it("is deployed to with two answers: the key accepted, the passcode unseen, Node.js sent, the agent kept", async () => {
    const way = hasTmux ? "tmux" : "nohup";
    const argv = [process.execPath, BIN, "endpoint", "deploy", "login.site", "--ssh-config", config, "--start", way];
    const { code, screen } = await runAtTerminal(argv, {
      env: { ...home.env, NO_COLOR: "1" },
      cwd: home.dir,
      timeoutMs: 240_000,
      typed: [
        { at: "Type yes, no or the fingerprint: ", type: "yes\r" },
        { at: "PASSCODE: ", type: "314159\r" },
        { at: "Passcode or option (1-1): ", type: "1\r" },
      ],
    });
    expect(code, screen).toBe(0);
    expect(screen).toContain("Blue Waters: token code, then Duo");
    expect(screen).not.toContain("314159");
    expect(screen).toMatch(/✓ (Node.js .* (sent|of the site|is there))/);
    expect(screen).toContain("endpoint login.site is online");
    expect(site.attempts).toEqual(["keyboard-interactive 314159", "keyboard-interactive 1"]);
    expect(
      (await home.run(["run", "-e", "login.site", "--", "sh", "-c", "echo $FARCALL_ENDPOINT here"])).stdout,
    ).toContain("here");
    expect(existsSync(join(site.home, ".local/state/farcall/endpoints/login.site/agent.pid"))).toBe(true);
    expect(
      readdirSync(join(site.home, ".local/share/farcall")).filter((name) => /\.(gz|tgz|part)$/.test(name)),
    ).toEqual([]);
  }, 300_000);

  it("keeps what was typed nowhere: no file here or there, no argument and no environment of a process", () => {
    const files = (dir: string) =>
      readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const entry of [home.dir, site.dir].flatMap(files)) {
      const path = join(entry.parentPath, entry.name);
      expect(readFileSync(path).includes("314159"), path).toBe(false);
    }
    const mine = [...processesUnder(site.dir, "pid"), ...processesUnder(home.dir, "pid")];
    expect(mine).not.toEqual([]);
    for (const pid of mine) {
      for (const file of ["cmdline", "environ"])
        expect(readFileSync(`/proc/${pid}/${file}`).includes("314159"), `${pid} ${file}`).toBe(false);
    }
  });

  it("asks nothing where there is no terminal, and tells what it would have asked", async () => {
    const run = await home.run(["endpoint", "stop", "login.site"]);
    expect(run.code).not.toBe(0);
    expect(run.stderr).toContain("SSH_LOGIN_REFUSED");
    // Not answered with nothing, which the site would count as a wrong code.
    expect(site.attempts).toHaveLength(2);
    expect(run.stderr).toContain("there is no terminal to ask on: (me@127.0.0.1) PASSCODE:");
  });

  it("is stopped with two answers more", async () => {
    const { code, screen } = await runAtTerminal([process.execPath, BIN, "endpoint", "stop", "login.site", "--now"], {
      env: { ...home.env, NO_COLOR: "1" },
      cwd: home.dir,
      timeoutMs: 120_000,
      typed: [
        { at: "PASSCODE: ", type: "314159\r" },
        { at: "(1-1): ", type: "1\r" },
      ],
    });
    expect(code, screen).toBe(0);
    expect(screen).toContain("stopped");
  });
});
