/** What only ssh can do is done over the connection that it shares. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { clientConfig, keygen, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("a site that takes certificates of users alone", () => {
  let site: TestSshd & AsyncDisposable;
  let config: string;
  const shown: string[] = [];
  beforeAll(async () => {
    site = await startSshd({ authorize: "" });
    const { dir } = site;
    const authority = join(dir, "authority");
    keygen(authority, "ed25519");
    execFileSync("ssh-keygen", ["-q", "-s", authority, "-I", "me", "-n", site.user, `${site.identity}.pub`]);
    writeFileSync(join(dir, "sshd_config"), `TrustedUserCAKeys ${authority}.pub\n`, { flag: "a" });
    await site.stop();
    await site.start();
    config = clientConfig({ site }, { site: [`ControlPath ${join(dir, "%C")}`, "RemoteCommand echo for a person"] });
  });
  afterAll(async () => {
    spawnSync("ssh", ["-F", config, "-O", "exit", "site"], { stdio: "ignore" });
    await site?.[Symbol.asyncDispose]();
  });
  function login(jump?: string) {
    shown.length = 0;
    const prompter: Prompter = {
      ask: () => Promise.reject(new Error("nobody")),
      show: (text) => void shown.push(text),
    };
    const options = { env: process.env, configFile: config, prompter, acceptNewHostKey: false, jump };
    return openSession("site", { ...options, signal: new AbortController().signal });
  }

  it("refuses a login of our own, which says what ssh alone can do, and how", async () => {
    await expect(login()).rejects.toMatchObject({
      code: "SSH_LOGIN_REFUSED",
      message: expect.stringMatching(
        /certificates of users are sent by ssh alone: .*ControlMaster auto.*that connection is used/,
      ),
    });
  });

  it("is reached over the connection that ssh shares, which is said; not where other jump hosts are asked for", async () => {
    execFileSync("ssh", ["-F", config, "-o", "ControlMaster=yes", "-fN", "site"], { stdio: "ignore" });
    const session = await login();
    expect(shown.join()).toMatch(/over the connection that ssh shares \(.*\)/);
    // Without the RemoteCommand that is for a person.
    expect((await session.exec(["id", "-un"], { timeoutMs: 20_000 })).stdout).toBe(`${site.user}\n`);
    session.close();
    await session.closed;
    await expect(login("none")).rejects.toMatchObject({ code: "SSH_LOGIN_REFUSED" });
  });
});
