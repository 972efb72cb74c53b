import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createPart, type Part, type PartOptions } from "../../deploy/part.ts";
import { isAlive } from "../../deploy/process-identity.ts";

const READY = `console.log(JSON.stringify({ ready: true, pid: process.pid }));`;
const STAY = "setInterval(() => {}, 1000);";

let dir: string;
let parts: Part[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-part-"));
  parts = [];
});
afterEach(async () => {
  await Promise.all(parts.map((part) => part.stop(0)));
  await rm(dir, { recursive: true, force: true });
});

describe("a part of a stack", () => {
  it("is ready when it says so, and stops at SIGTERM", async () => {
    const part = nodePart(`process.on("SIGTERM", () => process.exit(0)); ${READY} ${STAY}`);
    const info = await part.start();
    expect(part.status()).toMatchObject({ state: "running", pid: info.pid });
    expect(await part.stop(5_000)).toEqual({ code: 0, signal: null });
    expect(isAlive(info.pid as number)).toBe(false);
  });

  it("is asked a second time when it does not stop in time, as an agent expects", async () => {
    const twice = `let asked = 0; process.on("SIGTERM", () => { if (++asked === 2) process.exit(5); });`;
    const part = nodePart(`${twice} ${READY} ${STAY}`);
    await part.start();
    expect(await part.stop(50)).toEqual({ code: 5, signal: null });
  });

  it("is hurried when the stop is asked for again with less time", async () => {
    const twice = `let asked = 0; process.on("SIGTERM", () => { if (++asked === 2) process.exit(5); });`;
    const part = nodePart(`${twice} ${READY} ${STAY}`);
    await part.start();
    const patient = part.stop(3_600_000);
    void part.stop(0);
    expect(await patient).toEqual({ code: 5, signal: null });
  });

  it("is killed when nothing else helps", { timeout: 60_000 }, async () => {
    const part = nodePart(`process.on("SIGTERM", () => {}); ${READY} ${STAY}`);
    await part.start();
    expect(await part.stop(50)).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("that ends of itself with a final code 0 is stopped, not failed", async () => {
    const part = nodePart(`${READY} setTimeout(() => process.exit(0), 20);`, { finalCodes: [0] });
    await part.start();
    await vi.waitFor(() => expect(part.status().state).toBe("stopped"), { timeout: 10_000 });
  });

  it("comes back after kill -9, as another process", async () => {
    const part = nodePart(`${READY} ${STAY}`);
    const first = await part.start();
    process.kill(first.pid as number, "SIGKILL");
    await vi.waitFor(() => expect(part.status().restarts).toBe(1), { timeout: 10_000 });
    expect(part.status().trouble).toBe("killed by SIGKILL");
    await vi.waitFor(() => expect(part.status()).toMatchObject({ state: "running", trouble: null }), {
      timeout: 10_000,
    });
    expect(part.status().pid).not.toBe(first.pid);
  });

  it("comes back also when its restart fails at first", async () => {
    // The first start is well, the next two end before they are ready.
    const counter = join(dir, "starts");
    const count = `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(counter)}, "x");`;
    const fail = `const n = fs.readFileSync(${JSON.stringify(counter)}).length; if (n === 2 || n === 3) process.exit(9);`;
    const part = nodePart(`${count} ${fail} ${READY} ${STAY}`);
    const first = await part.start();
    process.kill(first.pid as number, "SIGKILL");
    await vi.waitFor(() => expect(readFileSync(counter, "utf8")).toBe("xxxx"), { timeout: 10_000 });
    await vi.waitFor(() => expect(part.status().state).toBe("running"), { timeout: 10_000 });
  });

  it("stays dead after an exit code that forbids a restart", async () => {
    const part = nodePart(`${READY} setTimeout(() => process.exit(3), 20);`, { finalCodes: [3] });
    await part.start();
    await vi.waitFor(() => expect(part.status().state).toBe("failed"), { timeout: 10_000 });
    expect(part.status()).toMatchObject({ trouble: "ended with code 3", pid: null, restarts: 0 });
  });

  it("says why the first start failed, and where the log is", async () => {
    const part = nodePart(`console.error("no such port"); process.exit(4);`);
    await expect(part.start()).rejects.toThrow(
      /ended with code 4 before it was ready: no such port; its log is .*part\.log/,
    );
    expect(readFileSync(join(dir, "part.log"), "utf8")).toContain("no such port");
    expect(part.status().state).toBe("failed");
  });

  it("is killed when it says nothing within its time", async () => {
    const part = nodePart(STAY, { readyTimeoutMs: 300 });
    await expect(part.start()).rejects.toThrow(/not ready within 0\.3 s/);
    expect(part.status().pid).toBeNull();
  });

  it("leaves no process behind when it is stopped while it starts", async () => {
    const part = nodePart(STAY);
    const started = part.start().catch((error: Error) => error);
    await vi.waitFor(() => expect(part.status().pid).not.toBeNull(), { timeout: 10_000 });
    const { pid } = part.status();
    await part.stop(1_000);
    expect(await started).toBeInstanceOf(Error);
    expect(isAlive(pid as number)).toBe(false);
  });

  it("says what is missing when there is no such program", async () => {
    const part = createPart({
      name: "part",
      spec: () => ({ name: "part", file: join(dir, "nothing"), args: [], ...common() }),
      restart: "never",
    });
    await expect(part.start()).rejects.toThrow(/could not be started: .*ENOENT/);
  });

  it("keeps its log from other users", async () => {
    const part = nodePart(`${READY} ${STAY}`);
    await part.start();
    expect(statSync(join(dir, "part.log")).mode & 0o777).toBe(0o600);
  });
});

function common(readyTimeoutMs = 20_000) {
  return { logFile: join(dir, "part.log"), ready: "line" as const, readyTimeoutMs };
}

function nodePart(script: string, options: Partial<PartOptions> & { readyTimeoutMs?: number } = {}): Part {
  const { readyTimeoutMs, ...rest } = options;
  const part = createPart({
    name: "part",
    spec: () => ({ name: "part", file: process.execPath, args: ["-e", script], ...common(readyTimeoutMs) }),
    restart: "always",
    ...rest,
  });
  parts.push(part);
  return part;
}
