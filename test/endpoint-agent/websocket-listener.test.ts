import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { connect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { makeIdentity } from "../../endpoint-agent/link/certificate.ts";
import { authorization } from "../../endpoint-agent/link/credential.ts";
import type { ManagerLink as Dialler } from "../../endpoint-agent/manager/link.ts";
import { dialAgent } from "../../endpoint-agent/manager/link.ts";
import { type ManagerDial, managerUrl } from "../../endpoint-agent/manager-config.ts";
import type { ManagerLink } from "../../endpoint-agent/manager-link.ts";
import { type Admission, listenForManagers, socketPath } from "../../endpoint-agent/websocket-listener.ts";
import type { AgentToManager, ManagerToAgent } from "../../protocol/manager-frames.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});
function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), "farcall-ws-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const identity = makeIdentity();
const places = {
  unix: () => ({ kind: "unix" as const, path: join(temporary(), "agent.sock") }),
  tls: () => ({ kind: "tls" as const, host: "127.0.0.1", port: 0, identity }),
};

async function setUp(kind: keyof typeof places, admit?: () => Admission) {
  const links: ManagerLink[] = [];
  const frames: { kind: string; body: Uint8Array }[] = [];
  let closed = 0;
  const listener = await listenForManagers({
    at: places[kind](),
    admit: admit ?? ((known) => (known?.block === "block" && known.secret === "a secret" ? "yes" : "no")),
    onLink(link) {
      links.push(link);
      return { frame: ({ kind: name }, body) => void frames.push({ kind: name, body }), closed: () => void closed++ };
    },
  });
  cleanup.push(() => listener.close());
  return { listener, links, frames, closed: () => closed };
}

function dial(to: ManagerDial | (() => ManagerDial), secret = "a secret") {
  const received: { frame: AgentToManager; body: Uint8Array }[] = [];
  const closed: string[] = [];
  let opened = 0;
  let refused = 0;
  const link: Dialler = dialAgent(typeof to === "function" ? to : () => to, authorization({ block: "block", secret }), {
    onOpen: () => void opened++,
    onRefused: () => void refused++,
    onFrame: (frame, body) => void received.push({ frame, body }),
    onClose: (reason) => void closed.push(reason),
  });
  cleanup.push(() => link.close());
  return { link, received, closed, opened: () => opened, refused: () => refused };
}
const results = (bytes: number): [ManagerToAgent, Uint8Array[]] => [
  { kind: "results", message: 1, results: [], starts: [] },
  [new Uint8Array(bytes).fill(7)],
];

describe.each(["unix", "tls"] as const)("the link over %s", (kind) => {
  it("carries frames both ways with their bytes", async () => {
    const { listener, links, frames } = await setUp(kind);
    const manager = dial(listener.dial);
    await waitFor(() => manager.opened() === 1 && links.length === 1);
    manager.link.send(...results(100_000));
    links[0]?.send({ kind: "taken", message: 7 }, [new Uint8Array([3])]);
    await waitFor(() => frames.length > 0 && manager.received.length > 0);
    expect(frames[0]?.kind).toBe("results");
    expect(frames[0]?.body.length).toBe(100_000);
    expect(manager.received[0]?.frame).toEqual({ kind: "taken", message: 7 });
    expect([...(manager.received[0]?.body ?? [])]).toEqual([3]);
  });

  it("cuts a peer that sends what is no frame, says that it is gone, and serves the others", async () => {
    const { listener, links, frames, closed } = await setUp(kind);
    const good = dial(listener.dial);
    await waitFor(() => links.length === 1);
    const bad = dial(listener.dial);
    await waitFor(() => links.length === 2);
    bad.link.sendBytes(new Uint8Array([0, 0, 0, 1, 2]));
    await waitFor(() => closed() === 1);
    expect(frames).toEqual([]);
    good.link.send(...results(1));
    await waitFor(() => frames.length === 1);
  });

  it("waits for a slow manager instead of filling the memory", async () => {
    const { listener, links } = await setUp(kind, () => "yes");
    const url = managerUrl(listener.dial).replace(/^ws:/, "wss:");
    const socket = new WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false });
    cleanup.push(() => socket.terminate());
    await waitFor(() => links.length === 1);
    socket.pause();
    const link = links[0] as ManagerLink;
    const chunk = new Uint8Array(1_000_000);
    for (let i = 0; i < 16; i++) link.send({ kind: "taken", message: i }, [chunk]);
    let below = false;
    const wait = link.belowBuffered(1_000_000).then(() => (below = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(below).toBe(false);
    socket.resume();
    await wait;
    expect(below).toBe(true);
  });

  it("finds the agent again after it was away", async () => {
    const { listener, links } = await setUp(kind);
    const manager = dial(listener.dial);
    await waitFor(() => links.length === 1);
    await listener.close();
    await waitFor(() => manager.closed.length > 1);
    const at =
      listener.dial.kind === "tls"
        ? { kind: "tls" as const, host: "127.0.0.1", port: listener.dial.port, identity }
        : { kind: "unix" as const, path: listener.dial.path };
    const next = await listenForManagers({ at, admit: () => "yes", onLink: () => ({ frame() {}, closed() {} }) });
    cleanup.push(() => next.close());
    await waitFor(() => manager.opened() === 2);
    expect(next.dial).toEqual(listener.dial);
  });

  it("finds the agent at its new place", async () => {
    const { listener, links } = await setUp(kind);
    let to = listener.dial;
    const manager = dial(() => to);
    await waitFor(() => links.length === 1);
    const next = await setUp(kind);
    to = next.listener.dial;
    await listener.close();
    await waitFor(() => next.links.length === 1);
    expect(manager.opened()).toBe(2);
  });

  it("lets nobody in while the agent is not ready, and they come again", async () => {
    let ready: Admission = "later";
    const { listener, links } = await setUp(kind, () => ready);
    const manager = dial(listener.dial);
    await waitFor(() => manager.closed.length > 1);
    expect([links.length, manager.refused()]).toEqual([0, 0]);
    ready = "yes";
    await waitFor(() => links.length === 1);
  });

  it("refuses a wrong secret before a frame is read", async () => {
    const { listener, links } = await setUp(kind);
    const manager = dial(listener.dial, "another secret");
    await waitFor(() => manager.refused() > 0);
    expect([links.length, manager.opened()]).toEqual([0, 0]);
  });
});

describe("the link over TLS", () => {
  it("is not opened to an agent that shows another certificate; nothing is said to it", async () => {
    const { listener, links } = await setUp("tls");
    const manager = dial({ ...(listener.dial as ManagerDial & { kind: "tls" }), fingerprint: "0".repeat(64) });
    await waitFor(() => manager.closed.length > 1);
    expect(manager.closed[0]).toMatch(/shows another certificate/);
    expect([links.length, manager.opened(), manager.refused()]).toEqual([0, 0, 0]);
  });

  it("refuses garbage, plain TCP and HTTP without a credential, and serves managers meanwhile", async () => {
    const { listener, links, frames } = await setUp("tls");
    const { port } = listener.dial as ManagerDial & { kind: "tls" };
    const manager = dial(listener.dial);
    await waitFor(() => links.length === 1);
    const garbage = connectPlain(port, "127.0.0.1").on("error", () => {});
    garbage.write(Buffer.alloc(10_000, 0x55));
    await new Promise((resolve) => garbage.once("close", resolve));
    const silent = connectPlain(port, "127.0.0.1").on("error", () => {});
    cleanup.push(() => silent.destroy());
    const answers: string[] = [];
    for (const header of ["", "Authorization: Basic !!!\r\n", "Authorization: Basic OnNlY3JldA==\r\n"]) {
      const web = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }).on("error", () => {});
      web.write(
        "GET /manager HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
          `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${header}\r\n`,
      );
      web.on("data", (data) => answers.push(data.toString().split("\r\n")[0] as string));
      await new Promise((resolve) => web.once("close", resolve));
    }
    expect(answers).toEqual(Array(3).fill("HTTP/1.1 401 Unauthorized"));
    manager.link.send(...results(1));
    await waitFor(() => frames.length === 1);
    expect(links.length).toBe(1);
  });
});

describe("the socket's path", () => {
  it("takes the place of a socket that a killed agent left", async () => {
    const { listener } = await setUp("unix");
    const { path } = listener.dial as ManagerDial & { kind: "unix" };
    const options = { admit: () => "yes" as const, onLink: () => ({ frame() {}, closed() {} }) };
    const next = await listenForManagers({ at: { kind: "unix", path }, ...options });
    cleanup.push(() => next.close());
    expect(existsSync(path)).toBe(true);
  });

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

  it("a directory whose name no URL can hold does not keep a manager from its agent", async () => {
    const [run, runtimeDir] = [join(temporary(), "run of é: 100% #1"), temporary()];
    mkdirSync(run);
    const path = socketPath(run, { remembered: undefined, runtimeDir });
    const listener = await listenForManagers({
      at: { kind: "unix", path },
      admit: () => "yes",
      onLink: () => ({ frame() {}, closed() {} }),
    });
    cleanup.push(() => listener.close());
    const manager = dial(listener.dial);
    await waitFor(() => manager.opened() === 1);
  });
});
