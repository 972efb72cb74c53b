import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { clientConfig, keygen, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("keys of hosts, on real sshds", () => {
  let gate: TestSshd & AsyncDisposable;
  let site: TestSshd & AsyncDisposable;
  let config: string;
  let file: string;
  beforeAll(async () => {
    gate = await startSshd({ keyType: "ecdsa" });
    site = await startSshd({ keyType: "rsa" });
    config = clientConfig({ gate, site }, { site: ["ProxyJump gate"] });
    file = join(gate.dir, "known_hosts");
  });
  afterAll(async () => {
    await gate?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });

  async function login(options: { answers?: string[]; acceptNew?: boolean; configFile?: string } = {}) {
    const asked: string[] = [];
    const answers = options.answers ?? [];
    const prompter: Prompter = {
      show: (text) => void asked.push(text),
      async ask({ text }) {
        asked.push(text);
        const answer = answers.shift();
        if (answer === undefined) throw new Error("there is no terminal to ask on");
        return answer;
      },
    };
    const session = await openSession("site", {
      env: process.env,
      configFile: options.configFile ?? config,
      prompter,
      acceptNewHostKey: options.acceptNew ?? false,
      signal: new AbortController().signal,
    });
    const { stdout } = await session.exec(["sh", "-c", "echo $FARCALL_TEST_SITE"], { timeoutMs: 20_000 });
    session.close();
    await session.closed;
    return { stdout, asked };
  }

  it("are verified on every hop, each under its own name", async () => {
    writeFileSync(file, gate.knownHost + site.knownHost);
    expect((await login()).stdout).toBe(`${site.dir}\n`);
    for (const [known, unknown] of [
      [gate, site],
      [site, gate],
    ] as const) {
      writeFileSync(file, known.knownHost);
      await expect(login()).rejects.toMatchObject({
        code: "SSH_HOST_KEY",
        message: expect.stringContaining(`:${unknown.port} shows`),
      });
    }
  });

  it("that are not known are asked about, with the fingerprint that ssh-keygen shows, and then known", async () => {
    writeFileSync(file, gate.knownHost);
    const print = execFileSync("ssh-keygen", ["-l", "-f", join(site.dir, "host_key.pub")], { encoding: "utf8" }).split(
      " ",
    )[1] as string;
    await expect(login({ answers: ["no"] })).rejects.toMatchObject({ code: "SSH_HOST_KEY" });
    expect(readFileSync(file, "utf8")).toBe(gate.knownHost);
    const { asked } = await login({ answers: [print] });
    expect(asked.join("\n")).toContain(print);
    expect(readFileSync(file, "utf8")).toBe(gate.knownHost + site.knownHost);
    expect((await login()).asked).toEqual([]);
  });

  it("that are not known are refused where nobody can be asked, unless it is said that they are to be accepted", async () => {
    writeFileSync(file, "");
    await expect(login()).rejects.toMatchObject({
      code: "SSH_HOST_KEY",
      message: expect.stringContaining("--accept-new-host-key"),
    });
    expect((await login({ acceptNew: true })).stdout).toBe(`${site.dir}\n`);
    expect(readFileSync(file, "utf8")).toBe(gate.knownHost + site.knownHost);
  });

  it("that have changed are refused with the remedy, whatever is said", async () => {
    keygen(join(site.dir, "other"), "rsa");
    const other = readFileSync(join(site.dir, "other.pub"), "utf8");
    const changed = `${gate.knownHost}[127.0.0.1]:${site.port} ${other}`;
    writeFileSync(file, changed);
    await expect(login({ acceptNew: true, answers: ["yes"] })).rejects.toMatchObject({
      code: "SSH_HOST_KEY",
      message: expect.stringMatching(
        new RegExp(`known_hosts:2 knows .*ssh-keygen -f ${file} -R '\\[127\\.0\\.0\\.1\\]:${site.port}'`),
      ),
    });
    expect(readFileSync(file, "utf8")).toBe(changed);
  });

  it("that are revoked are refused", async () => {
    writeFileSync(file, `${gate.knownHost}${site.knownHost}@revoked * ${site.knownHost.split(" ").slice(1).join(" ")}`);
    await expect(login({ acceptNew: true })).rejects.toMatchObject({
      code: "SSH_HOST_KEY",
      message: expect.stringContaining("revokes"),
    });
  });

  it("of another type than the known one are not accepted by themselves", async () => {
    keygen(join(site.dir, "elliptic"), "ecdsa");
    const other = readFileSync(join(site.dir, "elliptic.pub"), "utf8");
    writeFileSync(file, `${gate.knownHost}[127.0.0.1]:${site.port} ${other}`);
    await expect(login({ acceptNew: true })).rejects.toMatchObject({
      message: expect.stringContaining("only its ecdsa-sha2-nistp256 key is known"),
    });
  });

  it("follow StrictHostKeyChecking", async () => {
    writeFileSync(file, "");
    const strict = join(gate.dir, "strict");
    writeFileSync(strict, `StrictHostKeyChecking yes\n${readFileSync(config, "utf8")}`);
    await expect(login({ configFile: strict, answers: ["yes", "yes"] })).rejects.toMatchObject({
      message: expect.stringContaining("StrictHostKeyChecking is yes"),
    });
    writeFileSync(
      strict,
      `StrictHostKeyChecking accept-new\nHashKnownHosts yes\n${readFileSync(config, "utf8").replaceAll("  HashKnownHosts no\n", "")}`,
    );
    await login({ configFile: strict });
    expect(readFileSync(file, "utf8")).toMatch(/^\|1\|.*\n\|1\|.*\n$/);
    expect((await login()).asked).toEqual([]);
  });

  it("with a certificate are trusted where known_hosts names its authority, through a jump host too", async () => {
    const authority = join(gate.dir, "authority");
    keygen(authority, "ed25519");
    const hostKey = join(site.dir, "host_key");
    execFileSync("ssh-keygen", ["-q", "-s", authority, "-I", "site", "-h", "-n", "127.0.0.1", `${hostKey}.pub`]);
    const configFile = join(site.dir, "sshd_config");
    appendFileSync(configFile, `HostCertificate ${hostKey}-cert.pub\n`);
    await site.stop();
    await site.start();
    const line = (hosts: string) => `@cert-authority ${hosts} ${readFileSync(`${authority}.pub`, "utf8")}`;
    writeFileSync(file, gate.knownHost + line(`[127.0.0.1]:${site.port}`));
    expect((await login()).stdout).toBe(`${site.dir}\n`);
    expect(readFileSync(file, "utf8")).toBe(gate.knownHost + line(`[127.0.0.1]:${site.port}`));
    // ssh itself agrees.
    expect(
      execFileSync("ssh", ["-F", config, "-o", "BatchMode=yes", "site", "echo yes"], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }),
    ).toBe("yes\n");
    writeFileSync(file, gate.knownHost + line("elsewhere"));
    await expect(login()).rejects.toMatchObject({ code: "SSH_HOST_KEY" });
  });
});
