/** What an agent with driver: ssh does when its way to the site, or back, is broken. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endpointLayout } from "../../../endpoint-agent/layout.ts";
import { type CliHome, createCliHome } from "../../support/cli.ts";
import { OLDEST_PYTHON } from "../../support/managers.ts";
import { clientConfig, cutSessions, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("driver: ssh, when the way is broken", () => {
  let home: CliHome;
  let sshd: TestSshd & AsyncDisposable;
  let standIn: StandIn;
  beforeAll(async () => {
    home = await createCliHome();
    const up = await home.run(["up", "--detach"]);
    if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
    sshd = await startSshd({ config: ["GatewayPorts no"] });
    standIn = createStandIn({ kind: "torque" });
    await configure("site");
  });
  afterAll(async () => {
    await home?.run(["endpoint", "stop", "site", "--now"]);
    await home?.remove();
    await standIn?.stop();
    await sshd?.[Symbol.asyncDispose]();
  });
  async function configure(name: string, more: Record<string, string> = {}) {
    const fields = {
      "provider.type": "torque",
      "provider.binDir": standIn.bin,
      "provider.statusIntervalMs": 10_000,
      "node.cores": 2,
      "node.memoryMb": 500,
      "policy.walltimeMs": 600_000,
      "policy.maxIdleTimeMs": 0,
      "workers.python": OLDEST_PYTHON,
      manager: "python",
      "driver.forward.address": "127.0.0.1",
      ...more,
    };
    const settings = Object.entries(fields).flatMap(([field, value]) => ["--set", `${field}=${value}`]);
    const ssh = ["--driver", "ssh", "--host", "site", "--ssh-config", clientConfig({ site: sshd })];
    const { code, stderr } = await home.run(["endpoint", "configure", name, ...ssh, ...settings]);
    if (code !== 0) throw new Error(stderr);
  }
  const cut = async () => {
    await sshd.stop();
    cutSessions(sshd);
  };
  const troubleOf = async () =>
    (await home.json<{ summary?: { trouble: string | null } }>(["endpoint", "status", "site"])).summary?.trouble ??
    null;
  const blocks = async () =>
    (await home.json<{ summary: { blocks: unknown[] } }>(["endpoint", "status", "site"])).summary.blocks.length;
  const echo = (text: string) => home.run(["run", "-e", "site", "--", "echo", text]);
  const configFile = (name: string) => endpointLayout(join(home.stateDir, "endpoints", name)).config;

  it("does not start where managers would not come through, and says what the site would have to allow", async () => {
    // The site has no such address: neither sshd nor anything else listens there.
    await configure("shut", { "driver.forward.address": "192.0.2.7" });
    const run = await home.run(["endpoint", "start", "shut"]);
    expect(run.code).not.toBe(0);
    expect(run.stderr).toMatch(/SITE_UNFIT: .*192\.0\.2\.7.*GatewayPorts.*driver\.forward\.address.*link\.address/s);
  });

  it("listens by itself where sshd listens for its own machine alone", async () => {
    await configure("loopback", { "driver.forward.address": "127.0.0.2" });
    const run = await home.run(["endpoint", "start", "loopback"]);
    expect(run.code, run.stderr).toBe(0);
    expect((await home.run(["run", "-e", "loopback", "--", "echo", "through"])).stdout).toBe("through\n");
    await home.run(["endpoint", "stop", "loopback", "--now"]);
  });

  it("work that comes while there is no connection waits for it, and the status says so", async () => {
    const started = await home.run(["endpoint", "start", "site"]);
    expect(started.code, started.stderr).toBe(0);
    expect((await echo("first")).stdout).toBe("first\n");
    await expect.poll(blocks).toBe(0);
    await cut();
    const waiting = home.start(["run", "-e", "site", "--", "echo", "second"]);
    await expect.poll(troubleOf).toMatch(/no connection to site: .*trying on/);
    const before = standIn.calls().filter(({ command }) => command === "qsub").length;
    await sshd.start();
    const ended = await waiting.done;
    expect(ended).toMatchObject({ code: 0, stdout: "second\n" });
    expect(standIn.calls().filter(({ command }) => command === "qsub").length).toBe(before + 1);
    await expect.poll(troubleOf).toBeNull();
  });

  it("a key that is not taken any more is tried once; then a person is waited for", async () => {
    const keys = join(sshd.dir, "authorized_keys");
    const known = readFileSync(keys, "utf8");
    writeFileSync(keys, "", { mode: 0o600 });
    const failed = () => sshd.log().match(/Failed publickey|Connection closed by authenticating user/g)?.length ?? 0;
    cutSessions(sshd);
    await expect.poll(troubleOf).toContain("needs you: run `farcall endpoint login site`");
    const tries = failed();
    writeFileSync(keys, known, { mode: 0o600 });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(failed()).toBe(tries);
    expect(await home.json(["endpoint", "login", "site"])).toMatchObject({ state: "logged-in" });
    expect((await echo("third")).stdout).toBe("third\n");
  });

  it("the configuration is refused where this machine's answers would be wrong for the site", async () => {
    const file = configFile("site");
    const text = readFileSync(file, "utf8");
    for (const [without, what] of [
      [text.replace(/^node:\n( .*\n)+/m, ""), /node is .*cores and memoryMb of a node of the site/],
      [text.replace("type: torque", "type: local"), /driver\.type is .*a batch scheduler/],
    ] as const) {
      writeFileSync(file, without);
      const run = await home.run(["endpoint", "script", "site"]);
      expect(run.code).not.toBe(0);
      expect(run.stderr).toMatch(what);
    }
    writeFileSync(file, text);
  });
});
