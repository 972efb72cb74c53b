/** The sockets under the app. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { ApiError } from "../../protocol/errors.ts";
import { json } from "./responses.ts";
import { isSamePair, readTlsPair, type TlsFiles } from "./tls.ts";

/** A listening server. */
export type Listener = {
  url: string;
  /** Reads certificate and key again; true when they have changed. Rejects, and keeps the old ones, when they are damaged. */
  reload(): Promise<boolean>;
  /** Takes nothing new; resolves when what is under way has been answered, at the latest after `graceMs`. */
  close(graceMs?: number): Promise<void>;
};

/** Slow headers are cut early (slowloris); a body may take as long as 1 GiB takes on a slow line. */
const HEADERS_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 3_600_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Longer than clients keep idle connections, so that it is they who close them. */
const KEEP_ALIVE_MS = 75_000;
const GRACE_MS = 5_000;
const IDLE_LOOK_MS = 25;

/** Where to listen; with `tls`, HTTPS and nothing else. */
export type ListenOptions = { host: string; port: number; tls?: TlsFiles | undefined };

/** Listens, and resolves with the address once it does. */
export async function listen(app: Hono, { host, port, tls }: ListenOptions): Promise<Listener> {
  const answer = getRequestListener(app.fetch, { hostname: host, errorHandler: refuseMalformed });
  let pair = tls ? await readTlsPair(tls) : undefined;
  const server = pair
    ? createTlsServer({ ...pair, handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, answer)
    : createServer(answer);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on("clientError", (error: Error, socket: Duplex) => answerNonsense(error, socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new ApiError("CONFIG_INVALID", `cannot listen on ${host} port ${port}: ${cause.message}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `${pair ? "https" : "http"}://${name}:${address.port}`,
    async reload() {
      if (!tls || !pair) return false;
      const found = await readTlsPair(tls);
      if (isSamePair(found, pair)) return false;
      (server as TlsServer).setSecureContext(found);
      pair = found;
      return true;
    },
    close: (graceMs = GRACE_MS) => close(server, graceMs),
  };
}

/** What is no request at all: a path or a Host that cannot be read. */
function refuseMalformed(error: unknown): Response {
  const refusal = new ApiError("BAD_REQUEST", `the request cannot be read: ${(error as Error).message}`);
  return json({ error: refusal }, refusal.status);
}

/** What the HTTP parser cannot take: there is no request to answer, only a socket. */
function answerNonsense(error: Error, socket: Duplex): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ error: new ApiError("BAD_REQUEST", `this is not HTTP: ${error.message}`) });
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const over = new AbortController();
  const ended = closed.then(() => over.abort());
  // A connection whose request is answered by now would be kept open for the next one.
  for (const end = Date.now() + graceMs; Date.now() < end && !over.signal.aborted; ) {
    server.closeIdleConnections();
    await sleep(IDLE_LOOK_MS, undefined, { signal: over.signal }).catch(() => undefined);
  }
  server.closeAllConnections();
  await ended;
}
