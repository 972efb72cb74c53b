/** Servers as they were in 2012: what they speak is spoken where the user's configuration allows it, and nowhere else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

const OLD = [
  "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
  "HostKeyAlgorithms ssh-rsa",
  "Ciphers aes128-cbc",
  "MACs hmac-md5",
];
const ALLOWED = [
  "KexAlgorithms +diffie-hellman-group14-sha1",
  "HostKeyAlgorithms +ssh-rsa",
  "Ciphers +aes128-cbc",
  "MACs +hmac-md5",
];

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("a server of old", () => {
  let sshd: TestSshd & AsyncDisposable;
  beforeAll(async () => {
    sshd = await startSshd({ keyType: "rsa", config: OLD });
  });
  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
  });
  async function login(lines: string[]) {
    const prompter: Prompter = { ask: () => Promise.reject(new Error("nobody")), show() {} };
    const configFile = clientConfig({ site: sshd }, { site: lines });
    const signal = new AbortController().signal;
    const session = await openSession("site", {
      env: process.env,
      configFile,
      prompter,
      acceptNewHostKey: false,
      signal,
    });
    const { stdout } = await session.exec(["echo", "in"], { timeoutMs: 20_000 });
    session.close();
    await session.closed;
    return stdout;
  }

  it("is refused by itself, with the line that allows each thing it needs", async () => {
    for (const [index, line] of ALLOWED.entries()) {
      const others = ALLOWED.filter((_, at) => at !== index);
      const option = line.split(" ")[0] as string;
      await expect(login(others)).rejects.toMatchObject({
        code: "SSH_FAILED",
        message: expect.stringMatching(new RegExp(`no matching .*\`${option} \\+.*SSH configuration may help`)),
      });
    }
  });

  it("is logged in at where the configuration allows what it speaks", async () => {
    expect(await login(ALLOWED)).toBe("in\n");
  });
});
