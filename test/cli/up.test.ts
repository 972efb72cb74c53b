import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isAlive } from "../../deploy/process-identity.ts";
import { type CliHome, createCliHome, type RunningCli } from "../support/cli.ts";
import { listeningAddresses, processesUnder } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";

type Up = { state: string; url: string; pid: number; endpoint: string };
type Status = {
  up: { pid: number; parts: { name: string; state: string; pid: number; restarts: number }[] } | null;
  gateway: { counts: Record<string, number> } | null;
};

let home: CliHome;
beforeEach(async () => {
  home = await createCliHome();
});
afterEach(() => home.remove());

const status = async () => JSON.parse((await home.run(["status", "--json"])).stdout) as Status;
const partOf = (found: Status, name: string) => found.up?.parts.find((part) => part.name === name);
const echo = async (text: string) => {
  const { code, stdout, stderr } = await home.run(["run", "--", "echo", text]);
  return code === 0 ? stdout : stderr;
};

async function upInForeground(): Promise<RunningCli> {
  const running = home.start(["up"]);
  await waitFor(() => running.stdout().includes("farcall is up") || running.child.exitCode !== null);
  if (running.child.exitCode !== null) throw new Error(running.stderr());
  return running;
}

describe("farcall up", { timeout: 120_000 }, () => {
  it("runs in the foreground, says where it is, and writes a profile that nobody else may read", async () => {
    const running = await upInForeground();
    const { url, token, endpoint } = await home.profile();
    expect(running.stdout()).toContain(url);
    expect(endpoint).toBe("laptop");
    expect(token).not.toBe("");
    expect(statSync(join(home.configDir, "profile.json")).mode & 0o777).toBe(0o600);
    expect(await echo("hello")).toBe("hello\n");
  });

  it("drains at Ctrl-C: running work ends well, then every process is gone", async () => {
    const running = await upInForeground();
    const go = join(home.dir, "go");
    const work = home.start([
      "run",
      "--group",
      "g",
      "--",
      `echo on; until [ -e '${go}' ]; do sleep 0.05; done; echo done`,
    ]);
    await waitFor(() => work.stdout() === "on\n");
    const before = await status();
    const pids = before.up?.parts.map((part) => part.pid) ?? [];
    running.child.kill("SIGINT");
    await waitFor(() => running.stderr().includes("draining"));
    await writeFile(go, "");
    expect(await running.done).toMatchObject({ code: 0 });
    for (const pid of pids) expect(isAlive(pid)).toBe(false);
    await waitFor(() => processesUnder(home.dir).length === 0);
    // What ended while it drained is kept.
    await upInForeground();
    const [task] = await home.json<{ state: string }[]>(["tasks", "ls", "--group", "g"]);
    expect(task?.state).toBe("succeeded");
  });

  it("a second one finds the first and says so", async () => {
    const first = await home.json<Up>(["up", "--detach"]);
    expect(first).toMatchObject({ state: "started", endpoint: "laptop" });
    const second = await home.json<Up>(["up"]);
    expect(second).toMatchObject({ state: "already-running", url: first.url, pid: first.pid });
    expect((await home.run(["up", "--detach"])).stdout).toMatch(/already up: http/);
  });

  it("started twice at the same time, runs once", async () => {
    const both = await Promise.all([home.json<Up>(["up", "--detach"]), home.json<Up>(["up", "--detach"])]);
    expect(new Set(both.map((up) => up.pid)).size).toBe(1);
  });

  it("stops with down and leaves no process; the next up has the same url and the tasks", async () => {
    const first = await home.json<Up>(["up", "--detach"]);
    await home.run(["run", "--group", "kept", "--", "true"]);
    expect(await home.json(["down"])).toEqual({ state: "stopped" });
    expect(isAlive(first.pid)).toBe(false);
    await waitFor(() => processesUnder(home.dir).length === 0);
    expect(existsSync(join(home.stateDir, "up.json"))).toBe(false);
    expect(await home.json<Up>(["up", "--detach"])).toMatchObject({ url: first.url });
    expect(await home.json<unknown[]>(["tasks", "ls", "--group", "kept"])).toHaveLength(1);
  });

  it.each(["nats", "gateway", "agent:laptop"])("starts %s again after kill -9 and loses nothing", async (name) => {
    await home.json(["up", "--detach"]);
    const input = Array.from({ length: 150 }, (_, i) => `{"command":"echo ${i}"}\n`).join("");
    await home.run(["run", "--", "true"]);
    const map = home.start(["map", "shell", "-", "--in-flight", "40"], { input });
    await waitFor(() => map.stdout() !== "");
    const part = partOf(await status(), name);
    process.kill(part?.pid as number, "SIGKILL");
    const { code, stdout } = await map.done;
    expect(code).toBe(0);
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { index: number; value: { stdout: string } });
    expect(results).toHaveLength(150);
    for (const { index, value } of results) expect(value.stdout).toBe(`${index}\n`);
    await waitFor(async () => {
      const now = partOf(await status(), name);
      return now?.state === "running" && now.restarts === 1 && now.pid !== part?.pid;
    });
  });

  it("after kill -9 of up itself, the next up takes over what it left and loses nothing", async () => {
    const first = await home.json<Up>(["up", "--detach"]);
    const { stdout } = await home.run(["call", "--no-wait", "--python", await sleeper(), "0.3"]);
    process.kill(first.pid, "SIGKILL");
    const second = await home.json<Up>(["up", "--detach"]);
    expect(second).toMatchObject({ state: "started", url: first.url });
    await waitFor(async () => {
      const task = await home.json<{ state: string }>(["tasks", "show", stdout.trim()]);
      return task.state === "succeeded";
    });
  });

  it("down ends what a killed up left behind, and the work that runs there", async () => {
    const up = await home.json<Up>(["up", "--detach"]);
    const work = home.start(["run", "--", "echo on; sleep 600"]);
    await waitFor(() => work.stdout() === "on\n");
    process.kill(up.pid, "SIGKILL");
    await waitFor(() => !isAlive(up.pid));
    expect(await home.json(["down", "--now"])).toEqual({ state: "stopped" });
    work.child.kill("SIGKILL");
    await work.done;
    await waitFor(() => processesUnder(home.dir).length === 0);
  });

  it("a second Ctrl-C does not wait for running work, which starts again with the next up", async () => {
    const running = await upInForeground();
    const go = join(home.dir, "go");
    const again = `echo x >> '${home.dir}/starts'; until [ -e '${go}' ]; do sleep 0.05; done`;
    const id = (await home.run(["call", "--no-wait", "--python", await shellScript(again)])).stdout.trim();
    await waitFor(() => existsSync(join(home.dir, "starts")));
    running.child.kill("SIGINT");
    await waitFor(() => running.stderr().includes("draining"));
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(130);
    await waitFor(() => processesUnder(home.dir).length === 0);
    await writeFile(go, "");
    await home.json(["up", "--detach"]);
    await waitFor(async () => (await home.json<{ state: string }>(["tasks", "show", id])).state === "succeeded");
    expect(readFileSync(join(home.dir, "starts"), "utf8")).toBe("x\nx\n");
  });

  it("stays stopped when its agent is stopped on purpose, and takes it up again with the next up", async () => {
    await home.json(["up", "--detach"]);
    await home.json(["endpoint", "stop", "laptop"]);
    await waitFor(async () => partOf(await status(), "agent:laptop")?.state === "stopped");
    await home.json(["endpoint", "start", "laptop"]);
    expect(await echo("by hand")).toBe("by hand\n");
    await home.json(["down"]);
    await waitFor(() => processesUnder(home.dir).length === 0);
  });

  it("listens on the loopback interface only", async () => {
    await home.json(["up", "--detach"]);
    await echo("a worker is there");
    const pids = processesUnder(home.dir, "pid");
    expect(pids.length).toBeGreaterThanOrEqual(4);
    const addresses = listeningAddresses(pids.map(Number));
    expect(addresses.length).toBeGreaterThanOrEqual(2);
    for (const address of addresses) expect(address).toMatch(/^(127\.0\.0\.1|::1)$/);
  });

  it("keeps its files from other users", async () => {
    await home.json(["up", "--detach"]);
    await echo("some work");
    const open: string[] = [];
    const walk = (directory: string) => {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const path = join(directory, entry.name);
        if (((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0) open.push(path);
        if (entry.isDirectory()) walk(path);
      }
    };
    walk(home.stateDir);
    expect(open).toEqual([]);
    expect(statSync(home.stateDir).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(home.stateDir, "up.json"), "utf8")).not.toContain((await home.profile()).token);
  });

  it("interrupted while it starts, stops what it had started", async () => {
    const running = home.start(["up"]);
    await waitFor(() => existsSync(join(home.stateDir, "up.json")));
    running.child.kill("SIGINT");
    expect([0, 130]).toContain((await running.done).code);
    await waitFor(() => processesUnder(home.dir).length === 0);
  });

  it("keeps a profile that names another gateway", async () => {
    await mkdir(home.configDir, { recursive: true });
    const elsewhere = JSON.stringify({ url: "https://farcall.example.org", token: "secret" });
    await writeFile(join(home.configDir, "profile.json"), elsewhere, { mode: 0o600 });
    const up = await home.run(["up", "--detach"]);
    expect(up.stderr).toContain("profile.json.before-up");
    expect(readFileSync(join(home.configDir, "profile.json.before-up"), "utf8")).toBe(elsewhere);
  });

  it("says what is wrong when the nats-server is too old, and leaves nothing running", async () => {
    const old = join(home.dir, "nats-server");
    await writeFile(old, "#!/bin/sh\necho 'nats-server: v2.9.10'\n", { mode: 0o755 });
    const up = await home.run(["up"], { env: { FARCALL_NATS_SERVER: old } });
    expect(up).toMatchObject({ code: 7, stderr: expect.stringMatching(/NATS_SERVER_TOO_OLD.*2\.9\.10/) });
    expect(existsSync(join(home.stateDir, "up.json"))).toBe(false);
  });
});

async function sleeper(): Promise<string> {
  await writeFile(join(home.dir, "sleeper.py"), "import time\ndef nap(s):\n    time.sleep(s)\n    return s\n");
  return "sleeper.py:nap";
}

/** A Python function that runs a line of sh. */
async function shellScript(line: string): Promise<string> {
  await writeFile(
    join(home.dir, "script.py"),
    `import subprocess\ndef script():\n    subprocess.run(${JSON.stringify(line)}, shell=True, check=True)\n`,
  );
  return "script.py:script";
}
