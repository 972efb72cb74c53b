/** A small gateway and a client of it for each test, gone afterwards. */
import { afterEach, beforeEach } from "vitest";
import { Farcall, type FarcallOptions } from "../../../sdk/index.ts";
import { type SmallGateway, startSmallGateway } from "./small-gateway.ts";

export type Pair = {
  gateway: SmallGateway;
  farcall: Farcall;
  /** Another client of the same gateway. */
  client(options?: FarcallOptions): Farcall;
};

/** Fills the pair before each test of the file. */
export function useSmallGateway(): Pair {
  const pair = {} as Pair;
  let clients: Farcall[] = [];
  pair.client = (options = {}) => {
    const client = new Farcall({ url: pair.gateway.url, token: "secret", ...options });
    clients.push(client);
    return client;
  };
  beforeEach(async () => {
    pair.gateway = await startSmallGateway();
    pair.farcall = pair.client();
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close({ submitForMs: 1_000 })));
    await pair.gateway.close();
    clients = [];
  });
  return pair;
}
