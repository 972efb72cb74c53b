/** The gateway's connection to NATS: made in the background, made again for ever, and never a reason to fail at the start. */
import { setTimeout as sleep } from "node:timers/promises";
import { credsAuthenticator, type NatsConnection } from "nats";
import type { Logger } from "pino";
import { dial, type NatsServers } from "./dial.ts";

export type ConnectionOptions = NatsServers & {
  /** the content of gateway.creds */
  creds: Uint8Array;
  name: string;
  log: Logger;
  signal: AbortSignal;
  /** each time that it connects */
  onUp?: () => void;
};

export type ConnectionEvents = {
  /** once, before the first `up` */
  made(connection: NatsConnection): void;
  /** connected, or connected again: what was published meanwhile is lost */
  up(): void;
  down(): void;
};

const PING_INTERVAL_MS = 10_000;
const WAIT_MS = 200;
const JITTER_MS = 300;
const CONNECT_TIMEOUT_MS = 5_000;

/** Connects until it works; afterwards the client connects again by itself. Returns at once. */
export function keepConnected(options: ConnectionOptions, events: ConnectionEvents): void {
  const { log } = options;
  const up = () => {
    events.up();
    options.onUp?.();
  };
  const run = async () => {
    const connection = await firstConnection(options);
    if (!connection) return;
    events.made(connection);
    // The first `status` may come only later, and a connection that just broke says so there.
    const changes = connection.status();
    up();
    for await (const change of changes) {
      if (change.type === "disconnect" || change.type === "staleConnection") {
        log.warn({ change: change.type }, "NATS is not connected");
        events.down();
      } else if (change.type === "reconnect") {
        log.info({ server: change.server }, "NATS is connected again");
        up();
      } else if (change.type === "error") log.error({ err: change.error }, "NATS refused something");
    }
    events.down();
  };
  run().catch((err: unknown) => log.error({ err }, "the NATS connection failed"));
}

async function firstConnection(options: ConnectionOptions): Promise<NatsConnection | undefined> {
  const { servers, creds, name, log, signal } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const connection = await dial(options, {
        authenticator: credsAuthenticator(creds),
        name,
        maxReconnectAttempts: -1,
        reconnectTimeWait: WAIT_MS,
        reconnectJitter: JITTER_MS,
        reconnectJitterTLS: JITTER_MS,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: 2,
        timeout: CONNECT_TIMEOUT_MS,
        // A server that is being set up may refuse the right credentials for a while.
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      });
      if (!signal.aborted) return connection;
      await connection.close();
    } catch (err) {
      // Once a minute or so: what is wrong does not change between two attempts.
      if (attempt % 120 === 0) log.warn({ err, servers }, "NATS does not answer; trying on");
      await sleep(WAIT_MS + Math.random() * JITTER_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}
