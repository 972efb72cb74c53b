/** From the Authorization header to the actor. Lookups are cached for seconds; a revoked token ends within 5 s, open streams too. */
import { timingSafeEqual } from "node:crypto";
import type { Logger } from "pino";
import { ApiError } from "../../protocol/errors.ts";
import { loop } from "../loops.ts";
import type { Store, TokenRow } from "../store/port.ts";
import type { Actor } from "./authorize.ts";
import { type Bucket, newBucket, take } from "./rate-limit.ts";
import { hashToken, isToken } from "./token.ts";
import { countIn, isBusy, type UnderWay } from "./under-way.ts";

/** A cached row is trusted this long without a look at the store. */
const TRUSTED_MS = 2000;
/** The longest that a row is used while the look takes its time. */
const STALE_MS = 4000;
const SWEEP_EVERY_MS = 2000;
const TOUCH_EVERY_MS = 10_000;
/** After this long without a request an entry is let go, unless a stream holds it. */
const IDLE_MS = 10_000;
const MAX_CACHED = 20_000;

type Entry = {
  hash: string;
  row: TokenRow;
  actor: Actor;
  end: AbortController;
  checkedAt: number;
  usedAt: number;
  touched: boolean;
  /** what of it is under way */
  open: UnderWay;
  bucket: Bucket;
  refreshing: Promise<Entry | undefined> | undefined;
};

/** Knows who a request comes from. */
export type Authenticator = {
  /** The actor of a request. A promise only when the store must be asked. Throws UNAUTHENTICATED, RATE_LIMITED. */
  authenticate(authorization: string | undefined): Actor | Promise<Actor>;
  /** Counts a request of the token until `leave`. Throws RATE_LIMITED when too many are under way, and counts nothing then. */
  enter(actor: Actor): void;
  leave(actor: Actor): void;
  /**
   * Keeps watching the token while a request of it waits or a stream is open; the returned function ends that. What waits is
   * not counted as a request meanwhile. Throws RATE_LIMITED when the token has too many of the kind.
   */
  hold(actor: Actor, kind: "waits" | "streams"): () => void;
  /** Makes a revoked token end at once on this gateway. */
  forget(tokenId: string): void;
  /** Re-reads the tokens in use and writes when they were last used, until the signal ends it. */
  run(signal: AbortSignal): Promise<void>;
};

/** What the authenticator needs. */
export type AuthenticatorOptions = {
  store: Pick<Store, "findToken" | "touchTokens">;
  log: Logger;
  rate: { perSecond: number; burst: number };
  /** how many of each kind one token may have under way */
  most: Readonly<UnderWay>;
  /** requests without a token are the local user's; only ever true on loopback */
  allowUnauthenticated: boolean;
  now?: () => number;
};

/** Makes the authenticator of one gateway. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { store, log, rate } = options;
  const now = options.now ?? Date.now;
  const entries = new Map<string, Entry>();
  const byActor = new WeakMap<Actor, Entry>();
  const revoked = new Set<string>();
  const local = options.allowUnauthenticated ? localActor() : undefined;

  async function refresh(hash: string): Promise<Entry | undefined> {
    const row = await store.findToken(hash);
    const known = entries.get(hash);
    if (!row || !sameHash(row.hash, hash) || isExpired(row) || revoked.has(row.id)) {
      if (known) drop(known);
      return undefined;
    }
    if (known) {
      known.row = row;
      known.checkedAt = now();
      return known;
    }
    const entry = newEntry(hash, row);
    if (entries.size >= MAX_CACHED) evict();
    entries.set(hash, entry);
    return entry;
  }

  /** Lets the oldest go that nothing of is under way: what is under way must end when its token is revoked. */
  function evict(): void {
    for (const entry of entries.values()) {
      if (!isBusy(entry.open)) return void entries.delete(entry.hash);
    }
  }

  function newEntry(hash: string, row: TokenRow): Entry {
    const end = new AbortController();
    const actor: Actor = {
      tokenId: row.id,
      owner: row.owner,
      scopes: row.scopes,
      endpoint: row.endpoint,
      revoked: end.signal,
    };
    const at = now();
    const open = { requests: 0, waits: 0, streams: 0 };
    const times = { checkedAt: at, usedAt: at, touched: false, open };
    const entry: Entry = { hash, row, actor, end, ...times, bucket: newBucket(rate, at), refreshing: undefined };
    byActor.set(actor, entry);
    return entry;
  }

  function refreshOnce(entry: Entry): Promise<Entry | undefined> {
    entry.refreshing ??= refresh(entry.hash).finally(() => {
      entry.refreshing = undefined;
    });
    return entry.refreshing;
  }

  function drop(entry: Entry): void {
    entries.delete(entry.hash);
    entry.end.abort(unauthenticated("the token was revoked or has expired"));
  }

  function isExpired(row: TokenRow): boolean {
    return row.expiresAt !== null && row.expiresAt <= now();
  }

  function admit(entry: Entry): Actor {
    const at = now();
    if (isExpired(entry.row)) {
      drop(entry);
      throw unauthenticated("the token has expired");
    }
    const waitMs = take(entry.bucket, rate, at);
    if (waitMs > 0) {
      throw new ApiError("RATE_LIMITED", `more than ${rate.perSecond} requests a second from this token`, {
        details: { retryAfterMs: waitMs },
      });
    }
    entry.usedAt = at;
    entry.touched = true;
    return entry.actor;
  }

  function admitOrRefuse(entry: Entry | undefined): Actor {
    if (!entry) throw unauthenticated("the token is unknown, expired or revoked");
    return admit(entry);
  }

  async function touch(): Promise<undefined> {
    const used: { id: string; at: number }[] = [];
    for (const entry of entries.values()) {
      if (entry.touched) used.push({ id: entry.row.id, at: entry.usedAt });
      entry.touched = false;
    }
    if (used.length > 0) await store.touchTokens(used);
    return undefined;
  }

  async function sweep(): Promise<undefined> {
    for (const entry of [...entries.values()]) {
      const busy = isBusy(entry.open);
      if (busy && now() - entry.checkedAt >= TRUSTED_MS) await refreshOnce(entry);
      else if (!busy && !entry.touched && now() - entry.usedAt >= IDLE_MS) entries.delete(entry.hash);
    }
    return undefined;
  }

  return {
    authenticate(authorization) {
      if (authorization === undefined) {
        if (local) return local;
        throw unauthenticated("the request has no Authorization header");
      }
      const token = /^Bearer ([^\s]+)$/i.exec(authorization)?.[1];
      if (token === undefined) throw unauthenticated("only the Bearer scheme is taken");
      if (!isToken(token)) throw unauthenticated("the token is not one of Farcall's, or is cut short");
      const hash = hashToken(token);
      const entry = entries.get(hash);
      if (!entry) return refresh(hash).then(admitOrRefuse);
      const age = now() - entry.checkedAt;
      if (age >= STALE_MS) return refreshOnce(entry).then(admitOrRefuse);
      if (age >= TRUSTED_MS) refreshOnce(entry).catch((err) => log.warn({ err }, "a token could not be read again"));
      return admit(entry);
    },
    enter(actor) {
      const entry = byActor.get(actor);
      if (entry) countIn(entry.open, "requests", options.most);
    },
    leave(actor) {
      const entry = byActor.get(actor);
      if (entry) entry.open.requests--;
    },
    hold(actor, kind) {
      const entry = byActor.get(actor);
      if (!entry) return () => undefined;
      countIn(entry.open, kind, options.most);
      if (kind === "waits") entry.open.requests--;
      return () => {
        entry.open[kind]--;
        if (kind === "waits") entry.open.requests++;
      };
    },
    forget(tokenId) {
      // Remembered, because a look at the store that began before the revocation may end after it.
      revoked.add(tokenId);
      for (const entry of entries.values()) if (entry.row.id === tokenId) drop(entry);
    },
    async run(signal) {
      await Promise.all([
        loop("tokens", sweep, { everyMs: SWEEP_EVERY_MS, signal, log }),
        loop("token use", touch, { everyMs: TOUCH_EVERY_MS, signal, log }),
      ]);
      await touch().catch((err) => log.warn({ err }, "the last use of tokens was not written"));
    },
  };
}

/** The actor of requests without a token, where the configuration allows them. */
export function localActor(): Actor {
  return {
    tokenId: "local",
    owner: "local",
    scopes: ["admin"],
    endpoint: null,
    revoked: new AbortController().signal,
  };
}

function sameHash(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function unauthenticated(message: string): ApiError {
  return new ApiError("UNAUTHENTICATED", message);
}
