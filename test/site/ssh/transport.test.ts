import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sshRunCommand } from "../../../deploy/ssh/run-command.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { upload } from "../../../deploy/ssh/site/upload.ts";
import { clientConfig, SSHD, type SshdOptions, startSshd, type TestSshd } from "../../support/sshd.ts";

/** A login that greets on both streams, as a MOTD and a careless .bashrc do, and once more at the end. */
const NOISY = `ForceCommand sh -c 'echo Welcome!; echo "warning: quota" >&2; eval "$SSH_ORIGINAL_COMMAND"; r=$?; echo bye; exit $r'`;
const KINDS: Record<string, SshdOptions> = {
  "with SFTP": {},
  "without SFTP, whose login talks": { sftp: false, config: [NOISY] },
};

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD).each(Object.entries(KINDS))("a real sshd %s", (_name, options) => {
  let sshd: TestSshd & AsyncDisposable;
  let session: Awaited<ReturnType<typeof openSession>>;
  beforeAll(async () => {
    sshd = await startSshd(options);
    session = await connect();
  });
  afterAll(async () => {
    session?.close();
    await sshd?.[Symbol.asyncDispose]();
  });
  const connect = () =>
    openSession("site", {
      env: process.env,
      configFile: clientConfig({ site: sshd }),
      prompter: { ask: () => Promise.reject(new Error("nobody")), show() {} },
      acceptNewHostKey: false,
      signal: new AbortController().signal,
    });

  it("gives a command its arguments and input, and gives back output, errors and exit code alone", async () => {
    const words = ["it's", "$HOME", "a\nb", "!x", "\\", ""];
    const printed = await session.exec(["printf", "%s|", ...words], { timeoutMs: 20_000 });
    expect(printed).toEqual({ code: 0, stdout: words.map((word) => `${word}|`).join(""), stderr: "" });
    const failing = await session.exec(["sh", "-c", "cat; echo bad >&2; exit 7"], { stdin: "in", timeoutMs: 20_000 });
    expect(failing).toEqual({ code: 7, stdout: "in", stderr: "bad\n" });
    expect(await session.script("cat; echo done; exit 3", { timeoutMs: 20_000 })).toEqual({
      code: 3,
      stdout: "done\n",
      stderr: "",
    });
    expect((await session.exec(["sh", "-c", "kill -9 $$"], { timeoutMs: 20_000 })).code).toBe(137);
  });

  it("runs fifty commands at once, a few at a time", async () => {
    const numbers = Array.from({ length: 50 }, (_, index) => String(index));
    const answers = await Promise.all(numbers.map((word) => session.exec(["echo", word], { timeoutMs: 60_000 })));
    expect(answers.map(({ stdout }) => stdout.trim())).toEqual(numbers);
  });

  it("takes a file, once, and for its owner alone", async () => {
    const path = join(sshd.home, "agent.tgz");
    const content = randomBytes(700_001);
    const seen: number[] = [];
    expect(await upload(session, { path, content, progress: (done) => seen.push(done) })).toBe(true);
    expect(hash(readFileSync(path))).toBe(hash(content));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(Math.max(...seen)).toBe(content.length);
    expect(await upload(session, { path, content })).toBe(false);
  });

  it("goes on where an upload broke off, and begins anew where what is there is something else", async () => {
    const content = randomBytes(300_000);
    const first = async (name: string, there: Buffer) => {
      const path = join(sshd.home, name);
      writeFileSync(`${path}.part`, there);
      const seen: number[] = [];
      await upload(session, { path, content, executable: true, progress: (done) => seen.push(done) });
      expect(hash(readFileSync(path))).toBe(hash(content));
      expect(statSync(path).mode & 0o777).toBe(0o700);
      expect(existsSync(`${path}.part`)).toBe(false);
      return seen[0];
    };
    expect(await first("resumed", content.subarray(0, 200_000))).toBeGreaterThan(200_000);
    expect(await first("other", randomBytes(100_000))).toBeGreaterThan(100_000);
    expect(await first("longer", randomBytes(400_000))).toBeLessThan(100_000);
  });

  it("runs a scheduler's commands as the batch engine wants them: never rejecting, unknown when cut short", async () => {
    const run = sshRunCommand(async () => session);
    const env = { LC_ALL: "C", PATH: "/nowhere", SLURM_CONF: "/etc/my slurm.conf" };
    const answer = await run(["sh", "-c", 'cat; echo "$LC_ALL $SLURM_CONF"'], {
      input: "script\n",
      env,
      timeoutMs: 20_000,
    });
    expect(answer).toEqual({ code: 0, stdout: "script\nC /etc/my slurm.conf\n", stderr: "" });
    expect((await run(["no-such-command"], { input: "", env, timeoutMs: 20_000 })).code).toBe(127);
    const late = await run(["sleep", "30"], { input: "", env, timeoutMs: 200 });
    expect(late).toMatchObject({ code: null, stdout: "", stderr: expect.stringContaining("0.2 s") });
    const other = await connect();
    other.close();
    await other.closed;
    expect(await sshRunCommand(async () => other)(["true"], { input: "", env, timeoutMs: 1_000 })).toMatchObject({
      code: null,
    });
  });
});

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
