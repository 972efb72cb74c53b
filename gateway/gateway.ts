/** The collaborators that routes and use cases are given; main.ts makes the real ones. */
import type { Logger } from "pino";
import type { Audit } from "./audit.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import type { HostCheck } from "./auth/host-check.ts";
import type { Blobs } from "./blobs/blobs.ts";
import type { Hub } from "./events/hub.ts";
import type { EventStreams } from "./events/streams.ts";
import type { AddressOf } from "./http/client-address.ts";
import type { Metrics } from "./metrics.ts";
import type { Dispatcher } from "./ports.ts";
import type { Store } from "./store/port.ts";
import type { EndpointDirectory } from "./use-cases/endpoint-directory.ts";
import type { Revocation } from "./wire/revocation.ts";

/** Mints a short-lived NATS user for an endpoint's agent. */
export type MintCredentials = (
  endpoint: string,
  userKey: string,
) => Promise<{ jwt: string; servers: string[]; ca?: string; expiresAt: number }>;

/** Everything that a handler may need. */
export type Gateway = {
  store: Store;
  dispatcher: Dispatcher;
  hub: Hub;
  streams: EventStreams;
  auth: Authenticator;
  hostCheck: HostCheck;
  audit: Audit;
  blobs: Blobs;
  endpoints: EndpointDirectory;
  mintCredentials: MintCredentials;
  revocation: Revocation;
  metrics: Metrics;
  /** where a request comes from */
  addressOf: AddressOf;
  log: Logger;
  /** Aborted when the gateway stops: who waits is answered at once. */
  ending: AbortSignal;
  facts: {
    version: string;
    durability: "disk" | "fast";
    /** the largest submit or function, and the largest other body */
    maxBatchBytes: number;
    maxBodyBytes: number;
  };
};
