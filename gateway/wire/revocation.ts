/**
 * Tells the nats-servers which users were revoked (docs/adr/0011): they cut their connections and let them in no more. The
 * database is the truth; the servers hear all of it when something was revoked and whenever the gateway connects.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { credsAuthenticator } from "nats";
import type { Logger } from "pino";
import type { RevokedUser, Store } from "../store/port.ts";
import { CLAIMS_UPDATE, REVOKER_INBOX, type Revocations, type RevokerKeys, signRevocations } from "./credentials.ts";
import { dial, type NatsServers } from "./dial.ts";

/** Says that the list of those revoked may have changed, or that the servers may have forgotten it. Never waits. */
export type Revocation = { changed(): void };

/** What the servers are told through. */
export type RevocationOptions = {
  store: Pick<Store, "revokedUsers">;
  /** Tells the servers the whole list. Rejects when none took it. */
  push(revocations: Revocations): Promise<void>;
  log: Logger;
  signal: AbortSignal;
};

const PAUSE_MS = 100;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 3_000;
/** An account's document must fit into one message of NATS. */
const MAX_ENTRIES = 8_000;

/** Starts to tell the servers; ends with the signal. */
export function createRevocation(options: RevocationOptions): Revocation {
  const { store, push, log, signal } = options;
  let wanted = false;
  let running = false;
  let told = "";

  async function tell(): Promise<void> {
    const revocations = revocationsOf(await store.revokedUsers(), log);
    const text = JSON.stringify(revocations);
    // Nobody is, and nobody was while this gateway runs: servers that know more than that lose nothing by it.
    if (text === "{}" && told === "") return;
    await push(revocations);
    if (text !== told) log.info({ users: Object.keys(revocations).length }, "nats-server knows who was revoked");
    told = text;
    // Another gateway may have told an older list meanwhile, or heard of a newer one.
    if (JSON.stringify(revocationsOf(await store.revokedUsers(), log)) !== text) wanted = true;
  }

  async function run(): Promise<void> {
    for (let attempt = 0; wanted && !signal.aborted; ) {
      wanted = false;
      let pauseMs = PAUSE_MS;
      try {
        await tell();
        attempt = 0;
      } catch (err) {
        if (signal.aborted) return;
        if (attempt++ % 60 === 0) log.error({ err }, "nats-server was not told who is revoked; trying on");
        wanted = true;
        pauseMs = RETRY_MS;
      }
      // Revocations that come in a crowd go out together.
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    changed() {
      wanted = true;
      if (running) return;
      running = true;
      void run().finally(() => {
        running = false;
      });
    },
  };
}

/** Tells the servers over a connection of its own, which is not kept: revocations are rare. */
export function pushOverNats(keys: RevokerKeys, servers: NatsServers): RevocationOptions["push"] {
  const authenticator = credsAuthenticator(new TextEncoder().encode(keys.creds));
  return async (revocations) => {
    const document = await signRevocations(keys, revocations);
    const connection = await dial(servers, {
      authenticator,
      name: "farcall-revoker",
      inboxPrefix: REVOKER_INBOX,
      maxReconnectAttempts: 0,
      timeout: TIMEOUT_MS,
      noAsyncTraces: true,
    });
    try {
      const answer = await connection.request(CLAIMS_UPDATE, document, { timeout: TIMEOUT_MS });
      const { error } = answer.json<{ error?: { description?: string } }>();
      if (error) throw new Error(`nats-server did not take the account's document: ${error.description}`);
    } finally {
      await connection.close();
    }
  };
}

function revocationsOf(users: readonly RevokedUser[], log: Logger): Revocations {
  const newest = [...users].sort((a, b) => b.revokedAt - a.revokedAt || (a.userKey < b.userKey ? -1 : 1));
  if (newest.length > MAX_ENTRIES) {
    log.error(
      { revoked: newest.length },
      `more than ${MAX_ENTRIES} users are revoked; the oldest are only refused here`,
    );
  }
  return Object.fromEntries(
    newest.slice(0, MAX_ENTRIES).map(({ userKey, revokedAt }) => [userKey, Math.floor(revokedAt / 1000)]),
  );
}
