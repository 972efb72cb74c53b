/** The agent's connection to NATS: kept up for as long as the agent runs, wherever the gateway says the servers are. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Msg, NatsConnection } from "nats";
import { ApiError } from "../protocol/errors.ts";
import { decodeFrame, type Frame } from "../protocol/frame.ts";
import { inboxPrefix, subjects, workInbox } from "../protocol/subjects.ts";
import { uptimeMs } from "./clock.ts";
import type { NatsUser } from "./credentials.ts";
import { dial } from "./dial.ts";
import type { Log } from "./log.ts";
import type { HttpProxy } from "./proxy.ts";
import { createRequests } from "./requests.ts";

export type Connection = {
  readonly connected: boolean;
  /** Sends without an answer; dropped while there is no connection. */
  publish(subject: string, frame: Uint8Array): void;
  /** Sends, and resolves with the answer's header. Rejects when there is none. */
  request(subject: string, frame: Uint8Array, timeoutMs: number): Promise<unknown>;
  close(): Promise<void>;
};

export type ConnectionHandlers = {
  /** a message to the work inbox */
  work(header: unknown, body: Uint8Array): void;
  /** a control request; what it returns is the answer */
  control(header: unknown): Uint8Array | undefined;
  /** connected, the first time or again: what was under way may be lost */
  connected(): void;
  /** the gateway does not know this endpoint or its token any more */
  rejected(error: ApiError): void;
};

const RENEW_CHECK_MS = 1_000;
/** Without a connection for this long, the gateway is asked where the servers are now. */
const LOST_MS = 5_000;

/** Connects, and renews the user and the connection until `signal` aborts. Resolves at the first connection. */
export async function keepConnected(
  options: { endpoint: string; user: NatsUser; proxy?: HttpProxy | undefined; log: Log; signal: AbortSignal },
  handlers: ConnectionHandlers,
): Promise<Connection> {
  const { endpoint, user, proxy, log, signal } = options;
  const requests = createRequests(inboxPrefix(endpoint));
  /** The connection that a newer one has replaced: what becomes of it is of no interest. */
  let replaced: NatsConnection | undefined;
  let lostAt: number | undefined;
  let nats = await firstConnection();
  let servers = user.servers.join();

  async function firstConnection(): Promise<NatsConnection> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await open();
      } catch (err) {
        if (err instanceof ApiError && !err.retryable) throw err;
        if (attempt % 20 === 0) log.warn({ err, servers: user.servers }, "NATS does not answer; trying on");
        await sleep(Math.min(5_000, 250 * 2 ** attempt) * (0.5 + Math.random() / 2), undefined, { signal });
        await user.renew().catch(() => {});
      }
    }
  }
  async function open(): Promise<NatsConnection> {
    const connection = await dial(
      { servers: user.servers, ca: user.ca, proxy },
      {
        authenticator: user.authenticator,
        name: `farcall-agent ${endpoint}`,
        inboxPrefix: inboxPrefix(endpoint),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 200,
        reconnectJitter: 800,
        reconnectJitterTLS: 800,
        pingInterval: 10_000,
        maxPingOut: 2,
        // An expired user is refused until its renewal, which comes.
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
        timeout: 10_000,
      },
    );
    connection.subscribe(workInbox(endpoint), { callback: (error, message) => void (error ?? receive(message)) });
    connection.subscribe(subjects.control(endpoint), {
      callback: (error, message) => void (error ?? control(message)),
    });
    requests.listen(connection);
    void watch(connection);
    await connection.flush();
    return connection;
  }
  function receive(message: Msg): void {
    guarded(message, ({ header, body }) => handlers.work(header, body));
  }
  function control(message: Msg): void {
    guarded(message, ({ header }) => {
      const answer = handlers.control(header);
      if (answer) message.respond(answer);
    });
  }
  /** A callback that throws would end the client's reading for ever: a gateway of another version may say what is not known. */
  function guarded(message: Msg, handle: (frame: Frame) => void): void {
    try {
      handle(decodeFrame(message.data));
    } catch (err) {
      log.error({ err, subject: message.subject }, "a message of the gateway could not be handled");
    }
  }
  async function watch(connection: NatsConnection): Promise<void> {
    for await (const change of connection.status()) {
      // Not `nats`: the server may say something before the first connection has that name.
      if (signal.aborted || connection === replaced) continue;
      if (change.type === "disconnect" || change.type === "staleConnection") {
        lostAt ??= performance.now();
        log.warn("NATS is not connected");
      } else if (change.type === "reconnect") {
        lostAt = undefined;
        log.info({ server: change.server }, "NATS is connected again");
        handlers.connected();
      } else if (change.type === "error") log.warn({ err: change.error }, "NATS refused something");
    }
  }
  async function renew(): Promise<void> {
    try {
      await user.renew();
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return handlers.rejected(error);
      log.warn({ err: error }, "the NATS user cannot be renewed; trying on");
      return;
    }
    const moved = user.servers.join() !== servers;
    if (!moved && lostAt === undefined) {
      // The server cuts the connection when the JWT that opened it expires: better now, in good order.
      await nats.flush().catch(() => {});
      await nats.reconnect().catch(() => {});
      return;
    }
    if (!moved) return;
    log.info({ servers: user.servers }, "the NATS servers have moved");
    const next = await open();
    const old = nats;
    replaced = old;
    nats = next;
    servers = user.servers.join();
    lostAt = undefined;
    await old.close().catch(() => {});
    handlers.connected();
  }
  async function maintain(): Promise<void> {
    while (!signal.aborted) {
      await sleep(RENEW_CHECK_MS, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      const lost = lostAt !== undefined && performance.now() - lostAt > LOST_MS;
      if (lost) lostAt = performance.now();
      if (lost || uptimeMs() >= user.renewAt) await renew().catch((err) => log.warn({ err }, "NATS does not answer"));
    }
  }
  void maintain();

  return {
    get connected() {
      return lostAt === undefined && !nats.isClosed();
    },
    publish(subject, frame) {
      if (lostAt === undefined && !nats.isClosed()) nats.publish(subject, frame);
    },
    async request(subject, frame, timeoutMs) {
      // The client would keep it until it is connected again, and the caller has its own way to say it again.
      if (lostAt !== undefined) throw new ApiError("UNAVAILABLE", "NATS is not connected");
      return requests.send(nats, { subject, frame, timeoutMs });
    },
    async close() {
      await nats.close();
    },
  };
}
