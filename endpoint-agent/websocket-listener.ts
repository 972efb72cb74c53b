/** ManagerLink over WebSockets, on a unix socket in a private directory or over TLS. One message is one frame, uncompressed. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { decodeFrame, encodeFrame, type Frame } from "../protocol/frame.ts";
import type { ManagerToAgent } from "../protocol/manager-frames.ts";
import type { Identity } from "./link/certificate.ts";
import { type Credential, MANAGER_PATH, parseAuthorization } from "./link/credential.ts";
import { MAX_LINK_FRAME_BYTES } from "./manager-config.ts";
import type { ManagerLink, ManagerLinkHandlers, ManagerListener } from "./manager-link.ts";

/** A unix socket's path may have 107 bytes on Linux, 103 on macOS; some are left for a directory that is moved. */
const MAX_SOCKET_PATH = 100;
/** A path of other characters does not come out of `managerUrl` as it went in. */
const PLAIN_PATH = /^[\w/.,@+=~-]+$/;
/** Who has not shown who it is by then is cut. */
const HANDSHAKE_MS = 10_000;

/** Whether a dialler is let in before it may send a frame; `later`: the agent is not ready yet. */
export type Admission = "yes" | "no" | "later";

export type ListenerOptions = {
  at:
    | {
        kind: "unix";
        /** The socket's path; it is made anew, whatever an earlier agent left there. */
        path: string;
      }
    | {
        kind: "tls";
        host: string;
        /** 0: any */
        port: number;
        identity: Identity;
      };
  admit(credential: Credential | undefined): Admission;
  onLink(link: ManagerLink): ManagerLinkHandlers;
  /** somebody could not be let in, as without a descriptor to spare (FAULTS.md A9); it may come very often */
  onError?(error: Error): void;
};

/** Listens for managers. */
export async function listenForManagers({ at, admit, onLink, onError }: ListenerOptions): Promise<ManagerListener> {
  if (at.kind === "unix") rmSync(ownName(at.path), { force: true });
  const http = serverFor(at);
  const server = new WebSocketServer({
    noServer: true,
    path: MANAGER_PATH,
    perMessageDeflate: false,
    maxPayload: MAX_LINK_FRAME_BYTES,
    skipUTF8Validation: true,
  });
  http.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const admission = admit(parseAuthorization(request.headers.authorization));
    if (admission !== "yes") return refuse(socket, admission);
    server.handleUpgrade(request, socket, head, (connection) => accept(connection, onLink));
  });
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    // An accept that fails leaves the door open for the next one.
    http.on("error", (error) => onError?.(error));
    if (at.kind === "unix") http.listen(ownName(at.path), resolve);
    else http.listen({ host: at.host, port: at.port, exclusive: true }, resolve);
  });
  // Under the name that managers dial it comes last. Node removes a socket's name when it closes it: that must not be the
  // name of an agent that took its place meanwhile (FAULTS.md A6).
  const inode = at.kind === "unix" ? put(at.path) : undefined;
  return {
    dial: dialOf(at, http),
    async close() {
      for (const client of server.clients) client.terminate();
      server.close();
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
      if (at.kind === "unix" && inodeOf(at.path) === inode) rmSync(at.path, { force: true });
    },
  };
}

/** A name beside the path, for as long as it takes to be moved there. */
function ownName(path: string): string {
  return `${path}~`;
}

function put(path: string): bigint | undefined {
  renameSync(ownName(path), path);
  return inodeOf(path);
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function serverFor(at: ListenerOptions["at"]): Server {
  const timeouts = { headersTimeout: HANDSHAKE_MS, requestTimeout: HANDSHAKE_MS, connectionsCheckingInterval: 2_000 };
  const answer = (_request: unknown, response: { writeHead(status: number): { end(): void } }) =>
    response.writeHead(426).end();
  if (at.kind === "unix") return createServer(timeouts, answer);
  const { key, cert } = at.identity;
  return createTlsServer(
    { ...timeouts, key, cert, minVersion: "TLSv1.2", handshakeTimeout: HANDSHAKE_MS },
    answer,
  ) as unknown as Server;
}

function dialOf(at: ListenerOptions["at"], http: Server): ManagerListener["dial"] {
  if (at.kind === "unix") return { kind: "unix", path: at.path };
  const { port } = http.address() as AddressInfo;
  return { kind: "tls", host: at.host, port, fingerprint: at.identity.fingerprint };
}

function refuse(socket: Duplex, admission: "no" | "later"): void {
  const status = admission === "no" ? "401 Unauthorized" : "503 Service Unavailable";
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Where the socket of an endpoint goes: in its run directory, or in a private one elsewhere if no URL can hold that path. */
export function socketPath(
  runDir: string,
  options: { remembered: string | undefined; runtimeDir: string | undefined },
): string {
  const path = join(runDir, "agent.sock");
  if (path.length <= MAX_SOCKET_PATH && PLAIN_PATH.test(path)) return path;
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
