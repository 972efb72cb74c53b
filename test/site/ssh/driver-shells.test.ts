/** What a driver does at a site, whatever shell logs in there, and where there is no room. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createTransfer } from "../../../deploy/ssh/block-transfer.ts";
import { openRelay, RELAY_PROGRAM } from "../../../deploy/ssh/relay.ts";
import { sshRunCommand } from "../../../deploy/ssh/run-command.ts";
import { type LoginSession, openSession } from "../../../deploy/ssh/session.ts";
import { writeRemote } from "../../../deploy/ssh/site/upload.ts";
import { placesIn } from "../../../endpoint-agent/driver.ts";
import { OLDEST_PYTHON } from "../../support/managers.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

const open = (sshd: TestSshd) =>
  openSession("site", {
    env: process.env,
    configFile: clientConfig({ site: sshd }),
    prompter: { ask: () => Promise.reject(new Error("nobody")), show() {} },
    acceptNewHostKey: false,
    signal: new AbortController().signal,
  });
const has = (program: string) => ["/bin", "/usr/bin"].some((dir) => existsSync(join(dir, program)));
const as = (shell: string) => `ForceCommand exec ${shell} -c "$SSH_ORIGINAL_COMMAND"`;
const TALKS = `ForceCommand bash -c 'umask 000; echo Welcome; echo quota >&2; eval "$SSH_ORIGINAL_COMMAND"; r=$?; echo bye; exit $r'`;
const LOGINS = {
  tcsh: [as("tcsh"), "MaxSessions 2"],
  fish: [as("fish"), "MaxSessions 2"],
  "a shell that talks, with umask 000": [TALKS, "MaxSessions 2"],
};

const installed = Object.entries(LOGINS).filter(([name]) => name.includes(" ") || has(name));

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD).each(installed)("driver: ssh, where %s logs in", (_name, config) => {
  let sshd: TestSshd & AsyncDisposable;
  let session: LoginSession;
  let here: string;
  beforeAll(async () => {
    sshd = await startSshd({ config, sftp: false });
    session = await open(sshd);
    here = mkdtempSync(join(tmpdir(), "farcall-driver-"));
    for (const dir of ["blocks/a/node-0", "logs"]) mkdirSync(join(here, dir), { recursive: true });
    writeFileSync(join(here, "blocks/a/secret"), "it's $HOME!\n", { mode: 0o600 });
    writeFileSync(join(here, "blocks/a/launch.sh"), "#!/bin/sh\nexit 3\n", { mode: 0o700 });
  });
  afterAll(async () => {
    session?.close();
    await session?.closed;
    await sshd?.[Symbol.asyncDispose]();
    rmSync(here, { recursive: true, force: true });
  });

  it("brings a block's files there, for their owner alone, and what it said back", async () => {
    const places = placesIn(join(sshd.home, "work"));
    const layout = { blocks: join(here, "blocks"), blockLogs: join(here, "logs") };
    const transfer = createTransfer({ session: async () => session, layout, places });
    await transfer.push("a");
    const there = join(places.dir, "a");
    expect(readFileSync(join(there, "secret"), "utf8")).toBe("it's $HOME!\n");
    const modes = ["", "secret", "launch.sh", "node-0"].map((file) => statSync(join(there, file)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o600, 0o700, 0o700]);
    writeFileSync(join(there, "exit"), "code=3\n");
    writeFileSync(join(places.logDir, "a-0.log"), "last words\n");
    await transfer.pull(["a"]);
    expect(readFileSync(join(here, "blocks/a/exit"), "utf8")).toBe("code=3\n");
    expect(readFileSync(join(here, "logs/a-0.log"), "utf8")).toBe("last words\n");
    await transfer.remove("a");
    expect(readdirSync(places.dir)).toEqual([]);
  });

  it("runs the scheduler's commands, and a program that passes managers on beside them", async () => {
    const file = join(sshd.home, "relay.py");
    await writeRemote(session, file, RELAY_PROGRAM);
    const options = { address: "127.0.0.1", port: 0, file, python: OLDEST_PYTHON, init: "echo LOADED" };
    const relay = await openRelay(session, options, (stream) => void stream.pipe(stream));
    onTestFinished(() => relay.close());
    const socket = connect(relay.port, "127.0.0.1");
    socket.write("from a node");
    expect(String((await once(socket, "data"))[0])).toBe("from a node");
    // One session is left of two: they wait for each other.
    const run = sshRunCommand(async () => session);
    const words = ["it's", "$HOME", "a\nb", "!x", "\\", "*"];
    const all = await Promise.all(
      words.map((word) => run(["printf", "%s", word], { input: "", env: { LC_ALL: "C" }, timeoutMs: 60_000 })),
    );
    expect(all).toEqual(words.map((stdout) => ({ code: 0, stdout, stderr: "" })));
    socket.destroy();
    relay.close();
    await relay.closed;
  });
});

describe.skipIf(!SSHD)("driver: ssh, at a site that cannot", () => {
  it.skipIf(!has("rbash"))("says so where a restricted shell logs in", async () => {
    await using sshd = await startSshd({ config: [as("rbash")] });
    const session = await open(sshd);
    const run = sshRunCommand(async () => session);
    const { code, stderr } = await run(["qstat"], { input: "", env: {}, timeoutMs: 20_000 });
    expect(code).toBeNull();
    expect(stderr).toMatch(/login shell did not run a command; it said: .*restricted/s);
    session.close();
    await session.closed;
  });

  it("takes no half of a file for a whole where the disk is full", async (context) => {
    const disk = mkdtempSync(join(tmpdir(), "farcall-full-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "farcall-full", disk], { stdio: "ignore" });
    } catch {
      rmSync(disk, { recursive: true, force: true });
      return context.skip();
    }
    const here = mkdtempSync(join(tmpdir(), "farcall-driver-"));
    await using sshd = await startSshd();
    const session = await open(sshd);
    try {
      const block = join(here, "blocks", "a");
      for (const dir of [block, join(here, "logs")]) mkdirSync(dir, { recursive: true });
      writeFileSync(join(block, "a-large-one"), Buffer.alloc(1_000_000, 1));
      writeFileSync(join(block, "secret"), "small");
      const layout = { blocks: join(here, "blocks"), blockLogs: join(here, "logs") };
      const places = placesIn(join(disk, "work"));
      const transfer = createTransfer({ session: async () => session, layout, places });
      await expect(transfer.push("a")).rejects.toThrow(/SITE_UNFIT|No space left/);
      expect(readdirSync(join(places.dir, "a"))).toEqual([]);
      rmSync(join(block, "a-large-one"));
      await transfer.push("a");
      expect(readdirSync(join(places.dir, "a"))).toEqual(["secret"]);
    } finally {
      session.close();
      await session.closed;
      execFileSync("umount", [disk]);
      for (const dir of [disk, here]) rmSync(dir, { recursive: true, force: true });
    }
  });
});
