/** How a manager, in whatever language, finds its agent and what it says to whom. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeIdentity } from "../../../endpoint-agent/link/certificate.ts";
import type { ManagerDial } from "../../../endpoint-agent/manager-config.ts";
import type { ManagerLink } from "../../../endpoint-agent/manager-link.ts";
import { type Admission, listenForManagers } from "../../../endpoint-agent/websocket-listener.ts";
import type { ManagerToAgent } from "../../../protocol/manager-frames.ts";
import { MANAGERS, managerArgv, OLDEST_PYTHON, PYTHONS } from "../../support/managers.ts";
import { waitFor } from "../../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});
const temporary = () => {
  const dir = mkdtempSync(join(tmpdir(), "farcall-link-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
};

/** An agent's door that welcomes whoever comes. */
async function listen(kind: "unix" | "tls", admit: () => Admission = () => "yes") {
  const frames: { frame: ManagerToAgent; body: Uint8Array }[] = [];
  const links: ManagerLink[] = [];
  const secrets: (string | undefined)[] = [];
  const at =
    kind === "unix"
      ? { kind, path: join(temporary(), "agent.sock") }
      : { kind, host: "127.0.0.1", port: 0, identity: makeIdentity() };
  const listener = await listenForManagers({
    at,
    admit(credential) {
      secrets.push(credential?.secret);
      return admit();
    },
    onLink(link) {
      links.push(link);
      return {
        frame(frame, body) {
          frames.push({ frame, body });
          if (frame.kind === "hello") link.send({ kind: "welcome", remainingDeadlineMs: 60_000, keep: frame.holds });
          else if (frame.kind === "beat")
            link.send({ kind: "beat-answer", sentAt: frame.sentAt, remainingDeadlineMs: 60_000 });
        },
        closed() {},
      };
    },
  });
  cleanup.push(() => listener.close());
  const kinds = () => frames.map(({ frame }) => frame.kind);
  return { listener, dial: listener.dial, frames, links, secrets, kinds };
}

describe.each(MANAGERS)("a manager (%s)", (type) => {
  function start(dial: ManagerDial, mode = 0o600) {
    const dir = temporary();
    for (const each of ["manager", "cache"]) mkdirSync(join(dir, each), { mode: 0o700 });
    const file = join(dir, "config.json");
    const config = {
      endpoint: "test",
      block: "block-1",
      node: 3,
      dial,
      secretFile: join(dir, "secret"),
      dir: join(dir, "manager"),
      cacheDir: join(dir, "cache"),
      logFile: join(dir, "log"),
      capacity: { cores: 1, memoryMb: 100, gpus: 0 },
      workersPerNode: 1,
      orphanTimeoutMs: 60_000,
      walltimeMs: 3_600_000,
      ...(type === "python" && { python: OLDEST_PYTHON }),
    };
    writeFileSync(config.secretFile, "a secret\n", { mode: 0o600 });
    writeFileSync(file, JSON.stringify(config));
    chmodSync(file, mode);
    const [command, ...args] = managerArgv(type);
    const child: ChildProcess = spawn(command, [...args, "--config", file], { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr?.on("data", (data) => (errors += data));
    const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    cleanup.push(() => {
      child.kill("SIGKILL");
      return exited;
    });
    return {
      child,
      exited,
      errors: () => errors,
      log: () => (existsSync(config.logFile) ? readFileSync(config.logFile, "utf8") : ""),
      /** As an agent does that has moved. */
      redirect(to: ManagerDial) {
        writeFileSync(`${file}.new`, JSON.stringify({ ...config, dial: to }), { mode: 0o600 });
        renameSync(`${file}.new`, file);
      },
    };
  }

  it.each(["unix", "tls"] as const)("says over %s who it is, and beats once it is welcomed", async (kind) => {
    const agent = await listen(kind);
    const manager = start(agent.dial);
    await waitFor(() => agent.kinds().includes("beat"), { what: "a beat" });
    expect(agent.kinds()[0]).toBe("hello");
    expect(agent.secrets).toEqual(["a secret"]);
    expect(agent.frames[0]?.frame).toMatchObject({
      kind: "hello",
      protocol: 1,
      secret: "a secret",
      block: "block-1",
      node: 3,
      nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      pid: manager.child.pid,
      startTime: readFileSync(`/proc/${manager.child.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19],
      capacity: { cores: 1, memoryMb: 100, gpus: 0 },
      remainingMs: expect.toSatisfy((ms: number) => ms > 3_500_000 && ms <= 3_600_000),
      holds: [],
    });
    agent.links[0]?.send({ kind: "stop" });
    expect(await manager.exited).toBe(0);
    expect(agent.kinds().at(-1)).toBe("bye");
  });

  it("says nothing to an agent that shows another certificate", async () => {
    const agent = await listen("tls");
    const manager = start({ ...(agent.dial as ManagerDial & { kind: "tls" }), fingerprint: "0".repeat(64) });
    await waitFor(() => manager.log().split("another certificate").length > 3, { what: "a few tries" });
    expect([agent.secrets, agent.links]).toEqual([[], []]);
  });

  it("ends for good when its block is not wanted, and comes again when the agent is not ready", async () => {
    let admission: Admission = "later";
    const agent = await listen("unix", () => admission);
    const manager = start(agent.dial);
    await waitFor(() => agent.secrets.length > 2, { what: "a few tries" });
    expect(agent.links).toEqual([]);
    admission = "no";
    expect(await manager.exited).toBe(78);
    const refusing = await listen("unix");
    const second = start(refusing.dial);
    await waitFor(() => refusing.kinds().includes("beat"), { what: "a beat" });
    refusing.links[0]?.send({ kind: "refused", reason: "no" });
    expect(await second.exited).toBe(78);
  });

  it("A1: finds an agent that has moved, under the same nonce", async () => {
    const before = await listen("unix");
    const manager = start(before.dial);
    await waitFor(() => before.kinds().includes("beat"), { what: "a beat" });
    const after = await listen("tls");
    manager.redirect(after.dial);
    await before.listener.close();
    await waitFor(() => after.kinds().includes("beat"), { what: "a beat at the new place" });
    const [first, second] = [before, after].map(({ frames }) => frames[0]?.frame);
    expect(second).toMatchObject({ kind: "hello", nonce: first?.kind === "hello" && first.nonce });
  });

  it("bears a frame of 20 MB, and a function that is none", async () => {
    const agent = await listen("tls");
    start(agent.dial);
    await waitFor(() => agent.kinds().includes("beat"), { what: "a beat" });
    agent.links[0]?.send({ kind: "function", function: "f".repeat(64), definition: {} as never }, [
      new Uint8Array(20_000_000),
    ]);
    agent.links[0]?.send({ kind: "give-back", count: 1 });
    await waitFor(() => agent.kinds().includes("gave-back"), { what: "gave-back" });
    expect(agent.links.length).toBe(1);
  });

  it("does not start with a configuration that others can read", async () => {
    const manager = start({ kind: "unix", path: "/nowhere" }, 0o644);
    expect(await manager.exited).not.toBe(0);
    expect(manager.errors()).toContain("can be read by others");
  });
});

describe("the manager in Python", () => {
  it.each(PYTHONS)("runs functions and commands with %s, in directories of its own", async (interpreter) => {
    const { startTestAgent } = await import("./test-agent.ts");
    const agent = await startTestAgent({ type: "python", interpreter });
    cleanup.push(() => agent.stop());
    const version = agent.register(
      { runtime: "python", entry: "f" },
      "import sys\ndef f():\n    return sys.executable\n",
    );
    expect((await agent.call(version, [])).value).toBe(interpreter);
    const modes = agent.register({ runtime: "command" }, 'stat -c %a . .. "$TMPDIR"; umask');
    const { value } = await agent.call(modes, []);
    expect((value as { stdout: string }).stdout.split("\n").slice(0, 3)).toEqual(["700", "700", "700"]);
  });

  it("refuses JavaScript, and names Node.js as what is missing", async () => {
    const { startTestAgent } = await import("./test-agent.ts");
    const agent = await startTestAgent({ type: "python" });
    cleanup.push(() => agent.stop());
    const fn = agent.register({ runtime: "javascript" }, "export default () => 1;");
    const { outcome, started, failure } = await agent.call(fn, []);
    expect([outcome, started]).toEqual(["failed", undefined]);
    expect(failure).toMatchObject({ code: "LOAD_ERROR", details: { missing: "node" } });
    expect(failure?.message).toContain("no Node.js");
  });
});
