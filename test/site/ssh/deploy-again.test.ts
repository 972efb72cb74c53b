/** A deployment that is killed is repeated; two at once do not undo each other. */
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Farcall } from "../../../sdk/index.ts";
import { type CliHome, createCliHome } from "../../support/cli.ts";
import { processesUnder } from "../../support/processes.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";
import { waitFor } from "../../support/wait-for.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("farcall endpoint deploy, again", () => {
  let home: CliHome;
  let sshd: TestSshd & AsyncDisposable;
  let config: string;
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
  const deploy = (name: string) => [
    ...["endpoint", "deploy", "site", "--name", name, "--ssh-config", config],
    ...["--node", process.execPath, "--start", "nohup"],
  ];
  const folder = (name: string) => join(sshd.home, ".local/state/farcall/endpoints", name);
  const runs = async (name: string) => (await home.run(["run", "-e", name, "--", "echo", "it runs"])).stdout;
  /** As if the time had passed after which one who holds a lock and says nothing has gone. */
  const letTimePass = () => {
    const folders = [join(sshd.home, ".local/share/farcall"), folder("killed")];
    for (const lock of folders.map((dir) => join(dir, ".install-lock"))) {
      if (!existsSync(lock)) continue;
      const long = Date.now() / 1_000 - 3_600;
      for (const path of [...readdirSync(lock).map((token) => join(lock, token)), lock]) utimesSync(path, long, long);
    }
  };

  it("works after it was killed at any of its steps", async () => {
    for (const step of [
      /glibc|libc|musl/,
      /Node\.js/,
      /agent (sent|is there)/,
      /configuration/,
      /gateway is reached/,
    ]) {
      const killed = home.start(deploy("killed"));
      await waitFor(() => step.test(killed.stderr()), { timeoutMs: 60_000, what: `${step} of ${killed.stderr()}` });
      killed.child.kill("SIGKILL");
      await killed.done;
      letTimePass();
    }
    const last = await home.run(deploy("killed"));
    expect(last, last.stderr).toMatchObject({ code: 0 });
    expect(await runs("killed")).toBe("it runs\n");
    const list = await home.json<{ name: string }[]>(["endpoint", "list"]);
    expect(list.filter(({ name }) => name === "killed")).toHaveLength(1);
    // Nothing half-written is left.
    expect(readdirSync(folder("killed")).filter((file) => /\.\d+$|\.new$|\.part$|lock$/.test(file))).toEqual([]);
    expect((await home.run(["endpoint", "remove", "killed", "--yes"])).code).toBe(0);
  });

  it("works where the one before it had registered the endpoint, but not written its token down", async () => {
    const { url, token } = await home.profile();
    const farcall = new Farcall({ url, token });
    await farcall.endpoints.create("lost", { description: `deployed to ${sshd.user}@site` });
    await farcall.close();
    const run = await home.run(deploy("lost"));
    expect(run, run.stderr).toMatchObject({ code: 0 });
    expect(await runs("lost")).toBe("it runs\n");
    expect((await home.run(["endpoint", "remove", "lost", "--yes"])).code).toBe(0);
  });

  it("twice at once brings up one endpoint, with one agent", async () => {
    const both = await Promise.all([home.run(deploy("twice")), home.run(deploy("twice"))]);
    for (const run of both) expect(run, run.stderr).toMatchObject({ code: 0 });
    expect(await runs("twice")).toBe("it runs\n");
    const agents = () => processesUnder(folder("twice")).filter((command) => command.includes("endpoint-agent/main"));
    await expect.poll(agents).toHaveLength(1);
    expect((await home.run(["endpoint", "remove", "twice", "--yes"])).code).toBe(0);
  });
});
