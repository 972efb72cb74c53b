/** What is said of a host's key that does not count, and what to do about it. */
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { type CliHome, createCliHome } from "../../support/cli.ts";
import { clientConfig, keygen, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("a host's key that does not count", () => {
  let site: TestSshd & AsyncDisposable;
  let file: string;
  beforeAll(async () => {
    site = await startSshd();
    file = join(site.dir, "known_hosts");
  });
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  });
  const publicKey = () => readFileSync(join(site.dir, "host_key.pub"), "utf8");

  async function login(known: string, lines: string[] = [], acceptNewHostKey = true) {
    const configFile = clientConfig({ site }, { site: lines });
    writeFileSync(file, known);
    const prompter: Prompter = { ask: () => Promise.reject(new Error("there is no terminal")), show() {} };
    const signal = new AbortController().signal;
    const session = await openSession("site", { env: process.env, configFile, prompter, acceptNewHostKey, signal });
    session.close();
    await session.closed;
    return "logged in";
  }
  /** What an authority has signed is shown by the server from now on; `known` names the authority. */
  async function certify(...how: string[]): Promise<string> {
    const authority = join(site.dir, "authority");
    for (const old of ["", ".pub"]) rmSync(`${authority}${old}`, { force: true });
    keygen(authority, "ed25519");
    const hostKey = join(site.dir, "host_key");
    execFileSync("ssh-keygen", ["-q", "-s", authority, "-I", "site", "-h", ...how, `${hostKey}.pub`]);
    const config = join(site.dir, "sshd_config");
    if (!readFileSync(config, "utf8").includes("HostCertificate")) {
      appendFileSync(config, `HostCertificate ${hostKey}-cert.pub\n`);
    }
    await site.stop();
    await site.start();
    return `@cert-authority [127.0.0.1]:${site.port} ${readFileSync(`${authority}.pub`, "utf8")}`;
  }

  it("is unknown: said once where nobody can be asked, with what to do", async () => {
    await using home: CliHome & AsyncDisposable = await createCliHome();
    const config = clientConfig({ site });
    writeFileSync(file, "");
    const run = await home.run(["doctor", "--site", "site", "--ssh-config", config]);
    expect(run.code).not.toBe(0);
    expect(run.stderr.match(/SHA256:/g)).toHaveLength(1);
    expect(run.stderr).toMatch(/which is not known; compare it .*say --accept-new-host-key, or connect once with ssh/);
  });

  it("is revoked by the file that RevokedHostKeys names, as a list and in OpenSSH's binary form", async () => {
    const [list, binary] = [join(site.dir, "revoked"), join(site.dir, "revoked.krl")];
    writeFileSync(list, `# stolen\n${publicKey()}`);
    execFileSync("ssh-keygen", ["-q", "-k", "-f", binary, join(site.dir, "host_key.pub")]);
    for (const revoked of [list, binary]) {
      await expect(login(site.knownHost, [`RevokedHostKeys ${revoked}`])).rejects.toMatchObject({
        code: "SSH_HOST_KEY",
        message: expect.stringMatching(/revokes; .*do not log in before its administrators/),
      });
    }
    keygen(join(site.dir, "elsewhere"), "ed25519");
    writeFileSync(list, readFileSync(join(site.dir, "elsewhere.pub")));
    execFileSync("ssh-keygen", ["-q", "-k", "-f", binary, join(site.dir, "elsewhere.pub")]);
    for (const other of [list, binary])
      expect(await login(site.knownHost, [`RevokedHostKeys ${other}`])).toBe("logged in");
    // As with ssh: without the list nobody is trusted.
    await expect(login(site.knownHost, ["RevokedHostKeys /nowhere/revoked"])).rejects.toMatchObject({
      code: "SSH_HOST_KEY",
    });
  });

  it("has a certificate for another name, or one that has expired, or none: not accepted by itself, and it is said why", async () => {
    await expect(login(`@cert-authority * ${publicKey()}`)).rejects.toThrow(
      /names an authority for it, and it shows no certificate/,
    );
    const cases: [string[], RegExp][] = [
      [["-n", "login.elsewhere"], /its certificate does not count: it is for login\.elsewhere, not for 127\.0\.0\.1/],
      [["-n", "127.0.0.1", "-V", "20200101:20200102"], /its certificate does not count: it is not valid any more/],
    ];
    for (const [how, why] of cases) {
      const known = await certify(...how);
      const refused = login(known);
      await expect(refused).rejects.toMatchObject({ code: "SSH_HOST_KEY", message: expect.stringMatching(why) });
      await expect(login(known)).rejects.toThrow(
        /compare it with what the site publishes, then connect once with ssh$/,
      );
      expect(readFileSync(file, "utf8")).toBe(known);
    }
    const known = await certify("-n", "127.0.0.1");
    expect(await login(known)).toBe("logged in");
    await expect(login(known.replace(/ssh-ed25519 .*/, publicKey().trim()))).rejects.toThrow(
      /its authority is not one/,
    );
    const authority = join(site.dir, "authority.pub");
    const [krl, byName] = [join(site.dir, "authority.krl"), join(site.dir, "names")];
    execFileSync("ssh-keygen", ["-q", "-k", "-f", krl, authority]);
    writeFileSync(byName, "id: site\n");
    execFileSync("ssh-keygen", ["-q", "-k", "-s", authority, "-f", `${krl}.names`, byName]);
    for (const revoked of [authority, krl, `${krl}.names`]) {
      await expect(login(known, [`RevokedHostKeys ${revoked}`])).rejects.toThrow(/revokes it, or its authority/);
    }
  });

  it("is too short to be trusted, whoever knows it", async () => {
    await using small = await startSshd({ keyType: "rsa" });
    const configFile = clientConfig({ small }, { small: ["RequiredRSASize 8192"] });
    const prompter: Prompter = { ask: () => Promise.reject(new Error("nobody")), show() {} };
    const signal = new AbortController().signal;
    const options = { env: process.env, configFile, prompter, acceptNewHostKey: true, signal };
    await expect(openSession("small", options)).rejects.toThrow(/of 3072 bits, less than RequiredRSASize/);
  });
});
