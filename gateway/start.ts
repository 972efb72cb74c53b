/** Puts a gateway together from its configuration and a wire, starts it, and takes it down in order. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { createApp } from "./app.ts";
import { createAudit } from "./audit.ts";
import { createAuthenticator } from "./auth/authenticator.ts";
import { createHostCheck, isLoopback } from "./auth/host-check.ts";
import { openBlobs } from "./blobs/blobs.ts";
import type { GatewayConfig } from "./config.ts";
import { createHub, type Hub } from "./events/hub.ts";
import { createEventStreams } from "./events/streams.ts";
import type { Gateway, MintCredentials } from "./gateway.ts";
import { createAddressOf } from "./http/client-address.ts";
import { watchCertificate } from "./http/renewal.ts";
import { listen } from "./http/server.ts";
import { createMetrics } from "./metrics.ts";
import type { Dispatcher } from "./ports.ts";
import type { Store } from "./store/port.ts";
import { runUpkeep } from "./upkeep.ts";
import { createEndpointDirectory } from "./use-cases/endpoint-directory.ts";
import { issueToken } from "./use-cases/tokens.ts";
import type { Revocation } from "./wire/revocation.ts";

/** What main.ts chooses: the adapters of the ports. */
export type Adapters = {
  openStore(config: GatewayConfig): Promise<Store>;
  openDispatcher(parts: { store: Store; hub: Hub; log: Logger; signal: AbortSignal }): Promise<Dispatcher>;
  mintCredentials: MintCredentials;
  /** how nats-server hears of those who were revoked; after openDispatcher */
  openRevocation(parts: { store: Store; log: Logger; signal: AbortSignal }): Revocation;
};

/** A gateway that answers. */
export type RunningGateway = {
  url: string;
  /** Where the admin token is. */
  tokenFile: string;
  /** Reads the certificate again, where there is one. */
  reload?(): Promise<void>;
  /** Stops taking requests, ends streams, finishes what is under way, closes the store. */
  stop(): Promise<void>;
};

/** What a gateway is made of. */
export type StartOptions = { config: GatewayConfig; adapters: Adapters; log: Logger; version: string };

const ADMIN = "admin";

/** Starts the gateway; resolves once it answers. */
export async function startGateway({ config, adapters, log, version }: StartOptions): Promise<RunningGateway> {
  await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
  // First who waits and who streams is let go, then requests end, and only then what they need.
  const ending = new AbortController();
  const ended = new AbortController();
  const { signal } = ended;
  const store = await adapters.openStore(config);
  const closing: (() => Promise<unknown>)[] = [() => store.close()];
  const stop = async () => {
    ending.abort();
    for (const close of closing.splice(0)) {
      await close().catch((err) => log.error({ err }, "a part did not stop cleanly"));
    }
    ended.abort();
  };
  try {
    const hub = createHub({ store, position: await store.lastSequence(), log, signal });
    const dispatcher = await adapters.openDispatcher({ store, hub, log, signal });
    closing.unshift(() => dispatcher.stop());
    const revocation = adapters.openRevocation({ store, log, signal });
    const tokenFile = await ensureAdminToken(store, config.stateDir);
    const parts = { config, adapters, log, version, store, hub, dispatcher, revocation, ending: ending.signal };
    const gateway = await createGateway(parts);
    const upkeep = runUpkeep(gateway, signal);
    closing.unshift(async () => {
      ended.abort();
      await upkeep;
    });
    const streams = gateway.streams.run(ending.signal);
    const { corsOrigins, tls } = config;
    const server = await listen(createApp(gateway, { corsOrigins }), { ...config.listen, tls });
    const reload = tls ? watchCertificate(server, { signal: ending.signal, log }) : undefined;
    if (!tls && !isLoopback(config.listen.host) && config.trustProxy.length === 0) {
      log.warn("listening beyond this machine without tls: tokens and data can be read on the way");
    }
    closing.unshift(
      () => streams,
      () => server.close(),
    );
    return { url: server.url, tokenFile, ...(reload ? { reload } : {}), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Opened = StartOptions & {
  store: Store;
  hub: Hub;
  dispatcher: Dispatcher;
  revocation: Revocation;
  ending: AbortSignal;
};

async function createGateway(opened: Opened): Promise<Gateway> {
  const { config, log, store, hub, dispatcher } = opened;
  const { limits } = config;
  const rate = { perSecond: limits.requestsPerSecond, burst: limits.requestBurst };
  const publicHost = config.publicUrl === undefined ? [] : [new URL(config.publicUrl).hostname];
  return {
    store,
    dispatcher,
    hub,
    streams: createEventStreams({ hub, store, log, maxBufferedBytes: limits.eventBufferBytes }),
    auth: createAuthenticator({
      store,
      log,
      rate,
      most: { requests: limits.requestsPerToken, waits: limits.waitsPerToken, streams: limits.streamsPerToken },
      allowUnauthenticated: config.allowUnauthenticatedLoopback,
    }),
    hostCheck: createHostCheck({
      loopback: isLoopback(config.listen.host),
      allowedHosts: [...config.allowedHosts, ...publicHost],
      origins: config.corsOrigins,
    }),
    audit: createAudit(store, log),
    blobs: await openBlobs({ dir: join(config.stateDir, "blobs"), store, log, minFreeBytes: limits.minFreeBytes }),
    endpoints: createEndpointDirectory(store),
    mintCredentials: opened.adapters.mintCredentials,
    revocation: opened.revocation,
    metrics: createMetrics(),
    addressOf: createAddressOf(config.trustProxy),
    log,
    ending: opened.ending,
    facts: {
      version: opened.version,
      durability: config.durability,
      maxBatchBytes: limits.maxBatchBytes,
      maxBodyBytes: limits.maxBodyBytes,
    },
  };
}

/**
 * Makes the first token of a new database; it does not expire, as nobody else could make another. Who has lost the file gets
 * a new one: whoever can remove it has the database beside it, too. A file without a token is left as it is.
 */
async function ensureAdminToken(store: Store, stateDir: string): Promise<string> {
  const file = join(stateDir, "admin-token");
  const known = (await store.listTokens()).some(({ scopes }) => scopes.includes("admin"));
  if (known && existsSync(file)) return file;
  const { token } = await issueToken(store, {
    owner: ADMIN,
    name: known ? "admin, made anew as the file was gone" : "first admin",
    scopes: ["admin"],
    expiresInMs: null,
  });
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, `${token}\n`, { mode: 0o600, flag: "wx" });
  await rename(draft, file);
  return file;
}
