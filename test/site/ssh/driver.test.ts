/** An agent that runs elsewhere and drives a site through a real sshd: Torque's commands there are stand-ins. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Farcall } from "../../../sdk/index.ts";
import { OLDEST_PYTHON } from "../../support/managers.ts";
import { clientConfig, cutSessions, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";
import { startStack, type TestStack } from "../../support/stack.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { waitFor } from "../../support/wait-for.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("an agent with driver: ssh", () => {
  let sshd: TestSshd & AsyncDisposable;
  let standIn: StandIn;
  let stack: TestStack;
  let farcall: Farcall;
  beforeAll(async () => {
    sshd = await startSshd({ config: ["GatewayPorts clientspecified"] });
    standIn = createStandIn({ kind: "torque" });
    const configFile = clientConfig({ site: sshd });
    const at = (dir: string, forward: boolean) => ({
      ...(dir === "modern" ? {} : { manager: "python" }),
      driver: {
        type: "ssh",
        host: "site",
        configFile,
        dir: join(sshd.home, dir),
        ...(forward ? { forward: { address: "127.0.0.1" } } : {}),
      },
      provider: { type: "torque", binDir: standIn.bin, statusIntervalMs: 10_000 },
      policy: { maxBlocks: 1, maxIdleTimeMs: 0, walltimeMs: 600_000 },
      node: { cores: 2, memoryMb: 500 },
      workers: { python: OLDEST_PYTHON },
      link: { address: "127.0.0.1" },
    });
    stack = await startStack({
      endpoints: [
        { name: "direct", config: at("direct", false) },
        { name: "forwarded", config: at("forwarded", true) },
        { name: "modern", config: at("modern", true) },
      ],
    });
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterAll(async () => {
    await farcall?.close();
    await stack?.stop();
    await standIn?.stop();
    await sshd?.[Symbol.asyncDispose]();
  });
  const where = (endpoint: string) =>
    farcall.python<() => string>("import os\ndef where():\n    return os.environ['TMPDIR']").with({ endpoint });

  it.each(["direct", "forwarded"])(
    "runs Python and shell calls on blocks of the site (%s), and removes their files",
    async (name) => {
      expect(await where(name)()).toMatch(/^\//);
      const echo = farcall.command("echo {text}").with({ endpoint: name });
      expect(await echo({ text: "it's" })).toMatchObject({ stdout: "it's\n" });
      const id = stack.endpoints.find((endpoint) => endpoint.name === name)?.id as string;
      const blocks = join(sshd.home, name, id, "blocks");
      await waitFor(() => existsSync(blocks) && readdirSync(blocks).length === 0, {
        what: "the end of the block and its files",
        timeoutMs: 60_000,
      });
      expect(readdirSync(join(sshd.home, name, id, "logs")).length).toBeGreaterThan(0);
    },
  );

  it("runs JavaScript where a Node.js fits the login node: it and the manager go there, once", async () => {
    const here = farcall
      .function((a: number, b: number) => ({ sum: a + b, node: process.execPath }))
      .with({
        endpoint: "modern",
      });
    const { sum, node } = await here(2, 3);
    expect(sum).toBe(5);
    expect(node).toContain(join(sshd.home, "modern", "share", "node-v"));
    const share = () => readdirSync(join(sshd.home, "modern", "share")).sort();
    const before = share();
    expect(before).toEqual([expect.stringMatching(/^agent-[0-9a-f]{16}$/), expect.stringMatching(/^node-v/)]);
    const seen = statSync(node).ino;
    await stack.restart("agent:modern");
    expect((await here(3, 4)).sum).toBe(7);
    expect(share()).toEqual(before);
    expect(statSync(node).ino).toBe(seen);
    const py = await where("modern")();
    expect(py).toMatch(/^\//);
  });

  it("goes on after its connection was lost: the work runs on, and new blocks come", async () => {
    const slow = farcall.python<(s: number) => number>("import time\ndef slow(s):\n    time.sleep(s)\n    return s");
    const running = slow.with({ endpoint: "forwarded" }).submit(4);
    await running.accepted;
    await waitFor(async () => (await farcall.tasks.get(running.id)).state === "running", {
      what: "its start",
      timeoutMs: 60_000,
    });
    cutSessions(sshd);
    expect(await running).toBe(4);
    expect((await farcall.tasks.get(running.id)).attempt).toBe(1);
    expect(await where("forwarded")()).toMatch(/^\//);
  });

  it("A1: the next agent of the directory logs in, and the site's managers find it, at whatever port", async () => {
    const slow = farcall.python<(s: number) => number>("import time\ndef slow(s):\n    time.sleep(s)\n    return s");
    const running = slow.with({ endpoint: "forwarded" }).submit(6);
    await running.accepted;
    await waitFor(async () => (await farcall.tasks.get(running.id)).state === "running", {
      what: "its start",
      timeoutMs: 60_000,
    });
    await stack.kill("agent:forwarded");
    await stack.restart("agent:forwarded");
    expect(await running).toBe(6);
    expect((await farcall.tasks.get(running.id)).attempt).toBe(1);
  });
});
