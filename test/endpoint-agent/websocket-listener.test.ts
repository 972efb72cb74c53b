import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { managerUrl } from "../../endpoint-agent/manager-config.ts";
import type { ManagerLink } from "../../endpoint-agent/manager-link.ts";
import { listenForManagers, socketPath } from "../../endpoint-agent/websocket-listener.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});
function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), "farcall-ws-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function setUp() {
  const links: ManagerLink[] = [];
  const frames: { kind: string; body: Uint8Array }[] = [];
  let closed = 0;
  const listener = await listenForManagers({
    path: join(temporary(), "agent.sock"),
    onLink(link) {
      links.push(link);
      return { frame: ({ kind }, body) => void frames.push({ kind, body }), closed: () => void closed++ };
    },
  });
  cleanup.push(() => listener.close());
  const dial = async () => {
    const socket = new WebSocket(managerUrl(listener.dial), { perMessageDeflate: false });
    cleanup.push(() => socket.terminate());
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    await waitFor(() => links.length > 0);
    return socket;
  };
  return { listener, links, frames, dial, closed: () => closed };
}

describe("the listener for managers", () => {
  it("carries frames both ways, with their bytes as views", async () => {
    const { links, frames, dial } = await setUp();
    const socket = await dial();
    const received: Buffer[] = [];
    socket.on("message", (data: Buffer) => received.push(data));
    socket.send(encodeFrame({ kind: "results" }, [new Uint8Array([1, 2])]));
    links[0]?.send({ kind: "taken", message: 7 }, [new Uint8Array([3])]);
    await waitFor(() => frames.length > 0 && received.length > 0);
    expect(frames[0]).toMatchObject({ kind: "results" });
    expect([...(frames[0]?.body ?? [])]).toEqual([1, 2]);
    expect(decodeFrame(received[0] as Buffer).header).toEqual({ kind: "taken", message: 7 });
  });

  it("cuts a peer that sends what is no frame, and says that it is gone", async () => {
    const { dial, closed, frames } = await setUp();
    const socket = await dial();
    socket.on("error", () => {});
    socket.send(new Uint8Array([0, 0, 0, 1, 2]));
    await waitFor(() => closed() === 1);
    expect(frames).toEqual([]);
  });

  it("waits for a slow manager instead of filling the memory", async () => {
    const { links, dial } = await setUp();
    const socket = await dial();
    socket.pause();
    const link = links[0] as ManagerLink;
    const chunk = new Uint8Array(1_000_000);
    for (let i = 0; i < 8; i++) link.send({ kind: "taken", message: i }, [chunk]);
    let below = false;
    const wait = link.belowBuffered(1_000_000).then(() => (below = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(below).toBe(false);
    socket.resume();
    await wait;
    expect(below).toBe(true);
  });

  it("takes the place of a socket that a killed agent left", async () => {
    const { listener } = await setUp();
    if (listener.dial.kind !== "unix") throw new Error("a unix socket was asked for");
    const { path } = listener.dial;
    const next = await listenForManagers({ path, onLink: () => ({ frame() {}, closed() {} }) });
    cleanup.push(() => next.close());
    expect(existsSync(path)).toBe(true);
  });
});

describe("the socket's path", () => {
  it("is in the run directory, or where that is too deep in a short private one, and then remembered", () => {
    const short = temporary();
    expect(socketPath(short, { remembered: undefined, runtimeDir: undefined })).toBe(join(short, "agent.sock"));
    const deep = join(short, "d".repeat(100));
    const elsewhere = socketPath(deep, { remembered: undefined, runtimeDir: short });
    expect(Buffer.byteLength(elsewhere)).toBeLessThanOrEqual(100);
    expect(elsewhere.startsWith(short)).toBe(true);
    rmSync(dirname(elsewhere), { recursive: true });
    expect(socketPath(deep, { remembered: elsewhere, runtimeDir: short })).toBe(elsewhere);
    expect(existsSync(dirname(elsewhere))).toBe(true);
  });
});
