/** An agent that drives a site whose sshd forwards nothing and allows hardly any session: managers come back all the same. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Farcall } from "../../../sdk/index.ts";
import { OLDEST_PYTHON } from "../../support/managers.ts";
import { clientConfig, cutSessions, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";
import { startStack, type TestStack } from "../../support/stack.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { waitFor } from "../../support/wait-for.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("driver: ssh where sshd forwards nothing", () => {
  let sshd: TestSshd & AsyncDisposable;
  let standIn: StandIn;
  let stack: TestStack;
  let farcall: Farcall;
  beforeAll(async () => {
    // One for what listens, one for commands.
    sshd = await startSshd({
      config: ["AllowTcpForwarding no", "DisableForwarding yes", "MaxSessions 2"],
      sftp: false,
    });
    standIn = createStandIn({ kind: "torque" });
    const config = {
      manager: "python",
      driver: {
        type: "ssh",
        host: "site",
        configFile: clientConfig({ site: sshd }),
        dir: join(sshd.home, "work"),
        forward: { address: "127.0.0.1" },
      },
      provider: { type: "torque", binDir: standIn.bin, statusIntervalMs: 10_000 },
      policy: { maxBlocks: 2, maxIdleTimeMs: 1_000, walltimeMs: 600_000 },
      node: { cores: 1, memoryMb: 500 },
      workers: { python: OLDEST_PYTHON },
    };
    stack = await startStack({ endpoints: [{ name: "shut", config }] });
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterAll(async () => {
    await farcall?.close();
    await stack?.stop();
    await standIn?.stop();
    await sshd?.[Symbol.asyncDispose]();
  });
  const trouble = async () => (await farcall.endpoints.get(stack.endpoint)).summary?.trouble ?? null;
  const slow = (seconds: number) =>
    farcall.python<(s: number) => number>("import time\ndef slow(s):\n    time.sleep(s)\n    return s").submit(seconds);
  const started = async (id: string) =>
    waitFor(async () => (await farcall.tasks.get(id)).state === "running", { what: "its start", timeoutMs: 60_000 });

  it("runs calls, and large values go both ways", async () => {
    const size = farcall.python<(text: string) => string>("def twice(text):\n    return text + text");
    const text = "x".repeat(3_000_000);
    expect((await size(text)).length).toBe(2 * text.length);
  });

  it("loses nothing with the connection: what ends meanwhile is told by the managers afterwards", async () => {
    const running = slow(4);
    await running.accepted;
    await started(running.id);
    await sshd.stop();
    cutSessions(sshd);
    await expect.poll(trouble).toMatch(/no connection to site/);
    // It has ended by then, and nobody could be told.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await sshd.start();
    expect(await running).toBe(4);
    expect((await farcall.tasks.get(running.id)).attempt).toBe(1);
    await expect.poll(trouble).toBeNull();
  });

  it("what listens there is started again when somebody ends it", async () => {
    const running = slow(6);
    await running.accepted;
    await started(running.id);
    const [pid] = relays(sshd.home);
    process.kill(pid as number, "SIGKILL");
    await expect.poll(() => relays(sshd.home).filter((other) => other !== pid).length).toBe(1);
    expect(await running).toBe(6);
    expect((await farcall.tasks.get(running.id)).attempt).toBe(1);
    await expect.poll(trouble).toBeNull();
  });

  it("leaves no process at the site when it has stopped", async () => {
    await stack.kill("agent");
    await expect.poll(() => relays(sshd.home)).toEqual([]);
  });
});

function relays(home: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [program = "", file = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return program.includes("python") && file.startsWith(home) && file.endsWith("/relay.py");
      } catch {
        return false;
      }
    })
    .map(Number);
}
