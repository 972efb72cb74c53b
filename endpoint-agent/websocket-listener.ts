/** ManagerLink over WebSockets on a unix socket in a private directory. One message is one frame, uncompressed. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";
import { decodeFrame, encodeFrame, type Frame } from "../protocol/frame.ts";
import type { ManagerToAgent } from "../protocol/manager-frames.ts";
import { MAX_LINK_FRAME_BYTES } from "./manager-config.ts";
import type { ManagerLink, ManagerLinkHandlers, ManagerListener } from "./manager-link.ts";

/** A unix socket's path may have 107 bytes on Linux, 103 on macOS; some are left for a directory that is moved. */
const MAX_SOCKET_PATH = 100;

export type ListenerOptions = {
  /** The socket's path; it is made anew, whatever an earlier agent left there. */
  path: string;
  onLink(link: ManagerLink): ManagerLinkHandlers;
};

/** Listens for managers. */
export async function listenForManagers({ path, onLink }: ListenerOptions): Promise<ManagerListener> {
  rmSync(path, { force: true });
  const http = createServer((_request, response) => response.writeHead(426).end());
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: false,
    maxPayload: MAX_LINK_FRAME_BYTES,
    skipUTF8Validation: true,
  });
  server.on("connection", (socket) => accept(socket, onLink));
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen(path, resolve);
  });
  return {
    dial: { kind: "unix", path },
    async close() {
      for (const client of server.clients) client.terminate();
      server.close();
      await new Promise<void>((resolve) => http.close(() => resolve()));
      rmSync(path, { force: true });
    },
  };
}

/** Where the socket of an endpoint goes: inside its run directory, or in a short private one where that is too deep. */
export function socketPath(
  runDir: string,
  options: { remembered: string | undefined; runtimeDir: string | undefined },
): string {
  const path = join(runDir, "agent.sock");
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path;
  // Managers that outlive the agent dial the path that they were given.
  if (options.remembered) {
    mkdirSync(dirname(options.remembered), { recursive: true, mode: 0o700 });
    return options.remembered;
  }
  return join(mkdtempSync(join(options.runtimeDir ?? tmpdir(), "farcall-")), "agent.sock");
}

function accept(socket: WebSocket, onLink: (link: ManagerLink) => ManagerLinkHandlers): void {
  socket.binaryType = "nodebuffer";
  let waiters: (() => void)[] = [];
  const wake = () => {
    const woken = waiters;
    waiters = [];
    for (const resolve of woken) resolve();
  };
  const link: ManagerLink = {
    get open() {
      return socket.readyState === socket.OPEN;
    },
    send(frame, chunks) {
      if (socket.readyState === socket.OPEN) socket.send(encodeFrame(frame, chunks), wake);
    },
    async belowBuffered(bytes) {
      while (socket.readyState === socket.OPEN && socket.bufferedAmount >= bytes) {
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.close(),
  };
  const handlers = onLink(link);
  socket.on("message", (data) => {
    let frame: Frame;
    try {
      frame = decodeFrame(data as Buffer);
    } catch {
      // A peer that sends garbage is no manager of ours; its tasks stay where they are until it dials again.
      return socket.terminate();
    }
    handlers.frame(frame.header as ManagerToAgent, frame.body);
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    wake();
    handlers.closed();
  });
}
