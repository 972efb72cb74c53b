import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sshRunCommand } from "../../../deploy/ssh/run-command.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { upload } from "../../../deploy/ssh/site/upload.ts";
import { clientConfig, SSHD, type SshdOptions, startSshd, type TestSshd } from "../../support/sshd.ts";

/** A login that greets on both streams, as a MOTD and a careless .bashrc do, and once more at the end. */
const NOISY = `ForceCommand sh -c 'echo Welcome!; echo "warning: quota" >&2; eval "$SSH_ORIGINAL_COMMAND"; r=$?; echo bye; exit $r'`;
const KINDS: Record<string, SshdOptions & { shared?: true }> = {
  "with SFTP": { config: ["AcceptEnv LC_FARCALL"] },
  "over the connection that ssh shares": { shared: true, config: ["AcceptEnv LC_FARCALL"] },
  "without SFTP, whose login talks": { sftp: false, config: [NOISY, "AcceptEnv LC_FARCALL"] },
};

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD).each(Object.entries(KINDS))("a real sshd %s", (_name, options) => {
  let sshd: TestSshd & AsyncDisposable;
  let session: Awaited<ReturnType<typeof openSession>>;
  let config: string;
  beforeAll(async () => {
    sshd = await startSshd(options);
    config = clientConfig(
      { site: sshd },
      { site: [`ControlPath ${join(sshd.dir, "master")}`, 'SetEnv LC_FARCALL="a b"'] },
    );
    if (options.shared)
      execFileSync("ssh", ["-F", config, "-o", "ControlMaster=yes", "-fN", "site"], { stdio: "ignore" });
    session = await connect();
  });
  afterAll(async () => {
    session?.close();
    if (options.shared) spawnSync("ssh", ["-F", config, "-O", "exit", "site"], { stdio: "ignore" });
    await sshd?.[Symbol.asyncDispose]();
  });
  const connect = () =>
    openSession("site", {
      env: process.env,
      configFile: config,
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

  it("takes a few megabytes in and out of a command, to the last byte", async () => {
    const input = randomBytes(3_000_000).toString("base64");
    const { stdout, code } = await session.exec(["cat"], { stdin: input, timeoutMs: 60_000 });
    expect({ code, hash: hash(Buffer.from(stdout)) }).toEqual({ code: 0, hash: hash(Buffer.from(input)) });
  });

  it("gives commands the variables that the SSH configuration sets, where the server takes them", async () => {
    expect((await session.exec(["sh", "-c", "echo $LC_FARCALL"], { timeoutMs: 20_000 })).stdout).toBe("a b\n");
  });

  it("follows a program that goes on, and ends it", async () => {
    const until = new AbortController();
    let text = "";
    const take = (piece: string) => {
      text += piece;
      if (text.includes("two")) until.abort();
    };
    await session.follow(["sh", "-c", "echo one; sleep 0.1; echo two; sleep 60"], take, until.signal);
    expect(text).toBe("one\ntwo\n");
  });

  it("passes on what comes to a port of the site", async () => {
    const port = await session.listen({ address: "127.0.0.1", port: 0 }, (stream) => {
      stream.on("error", () => {}).end("hello from here");
    });
    const socket = connectTo({ host: "127.0.0.1", port });
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toBe("hello from here");
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
    const pids = join(sshd.home, "pids");
    // With a child of its own that does not listen to anybody.
    const stubborn = `trap "" TERM HUP; sleep 300 & echo $$ $! >${pids}; echo half; wait`;
    const late = await run(["sh", "-c", stubborn], { input: "", env, timeoutMs: 2_500 });
    expect(late).toMatchObject({ code: null, stdout: "", stderr: expect.stringContaining("2.5 s") });
    const left = readFileSync(pids, "utf8").trim().split(" ");
    expect(left).toHaveLength(2);
    // Nothing of it stays on the login node.
    await expect.poll(() => left.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    const other = await connect();
    other.close();
    await other.closed;
    expect(await sshRunCommand(async () => other)(["true"], { input: "", env, timeoutMs: 1_000 })).toMatchObject({
      code: null,
    });
  });

  it.runIf(options.shared)("logged in once, whoever used it, and is as dead as ssh's connection", async () => {
    expect(sshd.log().match(/Accepted publickey/g)).toHaveLength(1);
    const begun = join(sshd.home, "begun");
    const late = session.exec(["sh", "-c", `: >${begun}; exec sleep 60`], { timeoutMs: 60_000 });
    // What was cut short has no outcome, or says that the connection did.
    const outcome = late.then(
      ({ code }) => code,
      ({ code }) => code,
    );
    await expect.poll(() => existsSync(begun)).toBe(true);
    execFileSync("ssh", ["-F", config, "-O", "exit", "site"], { stdio: "ignore" });
    expect([null, "SSH_FAILED"]).toContain(await outcome);
    await session.closed;
    const after = session.exec(["true"], { timeoutMs: 20_000 });
    await expect(after).rejects.toMatchObject({ code: "SSH_FAILED", message: expect.stringContaining("is closed") });
    // A socket without its master is none: then there is a login of its own.
    writeFileSync(join(sshd.dir, "master"), "");
    session = await connect();
    expect((await session.exec(["echo", "own"], { timeoutMs: 20_000 })).stdout).toBe("own\n");
    expect(sshd.log().match(/Accepted publickey/g)).toHaveLength(2);
  });
});

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
