/**
 * The gateway's composition root: `node gateway/main.ts --config <gateway.yaml>`. Prints one JSON line on stdout when it is
 * ready; logs go to stderr. SIGTERM and SIGINT drain it and end it with code 0.
 */
import "./buffer-collection.ts";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import pino from "pino";
import { ApiError } from "../protocol/errors.ts";
import { type GatewayConfig, readGatewayConfig } from "./config.ts";
import { createDispatcher } from "./dispatch/dispatcher.ts";
import { type Adapters, startGateway } from "./start.ts";
import { openSqliteStore } from "./store/sqlite/open.ts";
import { readVersion } from "./version.ts";
import { GATEWAY_CREDS_FILE, mintAgentCredentials, REVOKER_FILE, readRevoker, readSigner } from "./wire/credentials.ts";
import { createRevocation, pushOverNats, type Revocation } from "./wire/revocation.ts";
import { createWire } from "./wire/wire.ts";

/** Wrong arguments or configuration: starting again changes nothing. */
const EXIT_CONFIG = 2;
const EXIT_STORE_DEATH = 70;

async function main(): Promise<void> {
  // The database holds other people's arguments and results: nobody else may read what this process writes.
  process.umask(0o077);
  const { values } = parseArgs({ options: { config: { type: "string" } } });
  if (values.config === undefined) throw new ApiError("CONFIG_INVALID", "usage: gateway/main --config <gateway.yaml>");
  const config = readGatewayConfig(values.config);
  const destination = pino.destination({ fd: 2, sync: false });
  const log = pino({ name: "gateway", level: config.logLevel }, destination);
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stopping.abort());

  // Nothing is acknowledged that is not on disk, so an end is as good as any other; whoever supervises starts it again.
  const onStoreDeath = (err: Error) => {
    log.fatal({ err }, "a thread of the database died; the gateway ends, to be started again");
    destination.flushSync();
    process.exit(EXIT_STORE_DEATH);
  };
  const version = await readVersion();
  const adapters = await chooseAdapters(config, onStoreDeath);
  const gateway = await startGateway({ config, log, version, adapters });
  // Without a certificate a hang-up ends it as it ends others.
  if (gateway.reload) process.on("SIGHUP", () => void gateway.reload?.());
  process.stdout.write(`${JSON.stringify({ ready: true, url: gateway.url, pid: process.pid, version })}\n`);
  log.info({ url: gateway.url, durability: config.durability }, "the gateway is ready");

  if (!stopping.signal.aborted) await new Promise((resolve) => stopping.signal.addEventListener("abort", resolve));
  log.info("the gateway drains");
  await gateway.stop();
  log.info("the gateway has stopped");
  log.flush();
}

async function chooseAdapters({ nats, stateDir }: GatewayConfig, onDeath: (cause: Error) => void): Promise<Adapters> {
  const [signer, revoker] = await Promise.all([readSigner(nats.dir), readRevoker(nats.dir)]);
  let revocation: Revocation | undefined;
  const creds = await readFile(join(nats.dir, GATEWAY_CREDS_FILE)).catch((cause: Error) => {
    throw new ApiError("CONFIG_INVALID", `nats.dir holds no ${GATEWAY_CREDS_FILE}: ${cause.message}`, { cause });
  });
  const servers = nats.agentServers ?? nats.servers;
  const ca = nats.ca === undefined ? undefined : await readCa(nats.ca);
  return {
    openStore: ({ durability, limits }) =>
      openSqliteStore({ file: join(stateDir, "farcall.db"), durability, limits, onDeath }),
    async openDispatcher({ store, hub, log, signal }) {
      const wire = createWire({ servers: nats.servers, ca, creds, log, signal, onUp: () => revocation?.changed() });
      return createDispatcher({ store, hub, wire, log });
    },
    openRevocation({ store, log, signal }) {
      if (!revoker) {
        log.warn(
          `${nats.dir} holds no ${REVOKER_FILE}: an agent that is revoked stays connected until its user expires`,
        );
        return { changed: () => undefined };
      }
      revocation = createRevocation({ store, log, signal, push: pushOverNats(revoker, { servers: nats.servers, ca }) });
      revocation.changed();
      return revocation;
    },
    mintCredentials: async (endpoint, userKey) => ({
      ...(await mintAgentCredentials({ signer, endpoint, userKey })),
      servers,
      ...(ca === undefined ? {} : { ca }),
    }),
  };
}

async function readCa(file: string): Promise<string> {
  try {
    const pem = await readFile(file, "utf8");
    new X509Certificate(pem);
    return pem;
  } catch (cause) {
    throw new ApiError("CONFIG_INVALID", `nats.ca ${file} holds no certificate: ${(cause as Error).message}`, {
      cause,
    });
  }
}

main().catch((error: unknown) => {
  const known = error instanceof ApiError;
  process.stderr.write(
    known ? `${error.code}: ${error.message}\n${error.toJSON().next}\n` : `${(error as Error).stack}\n`,
  );
  process.exit(known && error.code === "CONFIG_INVALID" ? EXIT_CONFIG : 1);
});
