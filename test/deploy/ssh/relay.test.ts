import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ClientChannel } from "ssh2";
import { afterEach, describe, expect, it } from "vitest";
import { freePort } from "../../../deploy/ports.ts";
import { openRelay, type Relay } from "../../../deploy/ssh/relay.ts";
import { OLDEST_PYTHON } from "../../support/managers.ts";

const FILE = fileURLToPath(new URL("../../../deploy/ssh/relay.py", import.meta.url));
const PIECES = 64;
const PIECE_BYTES = 256 * 1024;

describe("the relay of a login node that forwards no ports", () => {
  const relays: Relay[] = [];
  const sockets: (Socket | Server)[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) "destroy" in socket ? socket.destroy() : socket.close();
    for (const relay of relays.splice(0)) {
      relay.close();
      await relay.closed;
    }
  });
  const open = async (onConnection: (stream: Duplex) => void, port = 0, python = OLDEST_PYTHON, init?: string) => {
    const options = { address: "127.0.0.1", port, file: FILE, python, init };
    const relay = await openRelay(site, options, onConnection);
    relays.push(relay);
    return relay;
  };
  const dial = async (port: number) => {
    const socket = connect(port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  };

  it("passes on what many say at once, each to its own, byte for byte", async () => {
    const { port } = await open((stream) => void stream.pipe(stream));
    const all = Array.from({ length: 20 }, async () => {
      const socket = await dial(port);
      const sent = randomBytes(1_000_000);
      socket.write(sent);
      return (await read(socket, sent.length)).equals(sent);
    });
    expect(await Promise.all(all)).toEqual(Array(20).fill(true));
  });

  it("holds back one that is not read, and serves the others", async () => {
    const streams: Duplex[] = [];
    const { port } = await open((stream) => void streams.push(stream));
    const stalled = await dial(port);
    stalled.pause();
    await expect.poll(() => streams.length).toBe(1);
    let taken = 0;
    const [to] = streams as [Duplex];
    for (let i = 0; i < PIECES; i++) to.write(Buffer.alloc(PIECE_BYTES, i), () => taken++);
    const other = await dial(port);
    await expect.poll(() => streams.length).toBe(2);
    streams[1]?.write("served");
    expect(String((await once(other, "data"))[0])).toBe("served");
    expect(taken).toBeLessThan(PIECES);
    let size = 0;
    stalled.on("data", (chunk: Buffer) => {
      size += chunk.length;
    });
    stalled.resume();
    await expect.poll(() => size).toBe(PIECES * PIECE_BYTES);
    expect(taken).toBe(PIECES);
  });

  it("passes on the end of either side", async () => {
    const streams: Duplex[] = [];
    const { port } = await open((stream) => void streams.push(stream));
    const first = await dial(port);
    await expect.poll(() => streams.length).toBe(1);
    first.destroy();
    streams[0]?.resume();
    await once(streams[0] as Duplex, "close");
    const second = await dial(port);
    await expect.poll(() => streams.length).toBe(2);
    streams[1]?.destroy();
    second.resume();
    await once(second, "close");
  });

  it("loses nothing of what either side says last", async () => {
    const streams: Duplex[] = [];
    const { port } = await open((stream) => void streams.push(stream));
    const told = await dial(port);
    await expect.poll(() => streams.length).toBe(1);
    const much = randomBytes(PIECES * PIECE_BYTES);
    streams[0]?.end(much, () => streams[0]?.destroy());
    expect(Buffer.concat(await slowly(told)).equals(much)).toBe(true);
    const teller = await dial(port);
    await expect.poll(() => streams.length).toBe(2);
    const last = randomBytes(PIECE_BYTES);
    teller.end(last);
    await once(teller, "close");
    expect(Buffer.concat(await slowly(streams[1] as Duplex)).equals(last)).toBe(true);
  });

  it("ends with its session, and everybody on it", async () => {
    const relay = await open((stream) => void stream.resume());
    const socket = await dial(relay.port);
    const closed = new Promise((resolve) =>
      socket
        .on("error", () => {})
        .on("close", resolve)
        .resume(),
    );
    relay.close();
    await closed;
    await relay.closed;
    const refused = () => dial(relay.port).then(String, String);
    await expect.poll(refused).toContain("ECONNREFUSED");
  });

  it("says why it cannot listen: the port is taken, or there is no such address", async () => {
    const taken = createServer().listen(await freePort(), "127.0.0.1");
    sockets.push(taken);
    await once(taken, "listening");
    await expect(open(() => {}, (taken.address() as { port: number }).port)).rejects.toThrow(/SITE_UNFIT|in use/);
    const options = { address: "192.0.2.1", port: 0, file: FILE, python: OLDEST_PYTHON, init: undefined };
    await expect(openRelay(site, options, () => {})).rejects.toThrow(/nothing listens there.*192\.0\.2\.1/);
  });

  it("says that workers.init ended it", async () => {
    await expect(open(() => {}, 0, OLDEST_PYTHON, "echo LOADED; exit 3")).rejects.toThrow(/workers\.init ended with 3/);
  });

  it("takes another Python where the workers' own is not on the login node; what `module` says is not taken for its words", async () => {
    const { port } = await open(
      (stream) => stream.end("hello"),
      0,
      "python9.9-of-the-nodes",
      "echo LOADED; echo 1>&2 x",
    );
    const socket = await dial(port);
    expect(String((await once(socket, "data"))[0])).toBe("hello");
  });
});

async function slowly(stream: Duplex): Promise<Buffer[]> {
  const heard: Buffer[] = [];
  for await (const chunk of stream) {
    heard.push(chunk as Buffer);
    await sleep(1);
  }
  return heard;
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const came: Buffer[] = [];
  for (let size = 0; size < bytes; ) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    came.push(chunk);
    size += chunk.length;
  }
  return Buffer.concat(came);
}

/** What a session opens, as a process here; no SSH is in it. */
const site = {
  name: "me@site",
  async open(argv: readonly string[]) {
    const [file, ...args] = argv as [string, ...string[]];
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    child.stdin.on("error", () => {});
    const channel = Duplex.from({ readable: child.stdout, writable: child.stdin });
    channel.on("error", () => {}).on("close", () => child.kill("SIGKILL"));
    child.on("close", () => channel.destroy());
    channel.pause();
    return { channel: channel as unknown as ClientChannel, said: () => said };
  },
};
