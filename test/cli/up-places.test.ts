import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CliHome, createCliHome } from "../support/cli.ts";
import { processesUnder } from "../support/processes.ts";

let home: CliHome;
beforeEach(async () => {
  home = await createCliHome();
});
afterEach(() => home.remove());

describe("farcall up, and where it keeps things", { timeout: 120_000 }, () => {
  it("runs tasks from a directory whose name has spaces, umlauts and what URLs give a meaning", async () => {
    const env = { XDG_STATE_HOME: join(home.dir, "état: 100% #1"), XDG_CONFIG_HOME: join(home.dir, "my config") };
    expect((await home.run(["up", "--detach"], { env })).code).toBe(0);
    try {
      expect(await home.run(["run", "--", "echo", "here"], { env })).toMatchObject({ code: 0, stdout: "here\n" });
    } finally {
      await home.run(["down", "--now"], { env });
    }
  });

  it.each([["--detach"], []])(
    "where no profile can be written, says so and leaves nothing running",
    async (...flags) => {
      const file = join(home.dir, "file");
      await writeFile(file, "");
      const up = await home.run(["up", ...flags], { env: { XDG_CONFIG_HOME: file } });
      expect(up).toMatchObject({ code: 7, stderr: expect.stringMatching(/ENOTDIR.*file\/farcall/) });
      expect(up.stderr).not.toContain("starting it again");
      expect(processesUnder(home.dir)).toEqual([]);
    },
  );

  it("a profile that turns out to be a directory ends what was started already", async () => {
    await mkdir(join(home.configDir, "profile.json", "in the way"), { recursive: true });
    const up = await home.run(["up"]);
    expect(up.code).toBe(7);
    expect(up.stderr).not.toContain("starting it again");
    expect(processesUnder(home.dir)).toEqual([]);
  });

  it.each([["--detach"], []])("a database that is damaged is named, with what to do", async (...flags) => {
    await mkdir(join(home.stateDir, "gateway"), { recursive: true });
    await writeFile(join(home.stateDir, "gateway", "farcall.db"), "this is no database ".repeat(1000));
    const up = await home.run(["up", ...flags]);
    expect(up).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/^farcall: STORE_CORRUPT: .*farcall\.db.*\n.*backup/m),
    });
    expect(up.stderr.match(/farcall: [A-Z]/g)).toHaveLength(1);
    expect(up.stderr).not.toContain("gateway gateway");
    expect(processesUnder(home.dir)).toEqual([]);
  });

  it.each([["--detach"], []])("with --json names the part that failed, what it said and its log", async (...flags) => {
    const dir = join(home.stateDir, "endpoints", "laptop");
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "config.yaml"), "name: laptop\npolicy: { maxBlock: 1 }\n");
    const up = await home.run(["up", ...flags, "--json"]);
    expect(up).toMatchObject({ code: 2, stdout: "" });
    expect(JSON.parse(up.stderr.trim())).toMatchObject({
      error: {
        code: "CONFIG_INVALID",
        message: expect.stringMatching(/config\.yaml:2.*maxBlock is unknown/),
        details: { part: "agent:laptop", log: expect.stringContaining("agent.log") },
      },
    });
    expect(processesUnder(home.dir)).toEqual([]);
  });

  it("a part that dies without a reason is named with its last words", async () => {
    const server = join(home.dir, "nats-server");
    await writeFile(
      server,
      "#!/bin/sh\ncase $1 in --version | -v) echo 'nats-server: v2.14.0';; *) echo 'no room here' >&2; exit 3;; esac\n",
      {
        mode: 0o755,
      },
    );
    const up = await home.run(["up", "--detach", "--json"], { env: { FARCALL_NATS_SERVER: server } });
    expect(JSON.parse(up.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({
      error: {
        message: expect.stringMatching(/^nats-server ended with code 3 before it was ready: no room here; its log is /),
      },
    });
  });

  it("calls go to the endpoint that it runs, unless the one that the profile names runs as well", async () => {
    await home.json(["up", "--detach", "--endpoint", "first"]);
    await home.json(["down"]);
    await home.json(["up", "--detach", "--endpoint", "second"]);
    expect((await home.profile()).endpoint).toBe("second");
    expect((await home.run(["run", "--", "echo", "on"])).stdout).toBe("on\n");
    await home.json(["endpoint", "start", "first"]);
    const chosen = { ...(await home.profile()), endpoint: "first" };
    await writeFile(join(home.configDir, "profile.json"), JSON.stringify(chosen));
    await home.json(["down"]);
    await home.json(["up", "--detach", "--endpoint", "second"]);
    expect((await home.profile()).endpoint).toBe("first");
    await home.json(["endpoint", "stop", "first"]);
  });
});
