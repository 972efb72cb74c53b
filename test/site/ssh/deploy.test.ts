import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliHome, createCliHome } from "../../support/cli.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

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
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^endpoint site is online/) });
    expect((await home.run(["run", "-e", "site", "--", "echo", "from the site"])).stdout).toBe("from the site\n");
  });

  it("leaves files there that only their owner may read", () => {
    const dir = join(sshd.home, ".local/state/farcall/endpoints/site");
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const file of ["config.yaml", "credentials.json", "agent.log"])
      expect(statSync(join(dir, file)).mode & 0o077).toBe(0);
    expect(JSON.parse(readFileSync(join(dir, "credentials.json"), "utf8")).token).toMatch(/^farcall_/);
  });
});
