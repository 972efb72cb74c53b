/** How the servers of the wire are reached, by the scheme of their URLs. */

/** `tcp` takes TLS where the server offers it; `tls` refuses a server without it; `websocket` is ws:// or wss://. */
export type NatsWay = "tcp" | "tls" | "websocket";

/** The way that all of these are reached. Undefined when they differ: the client cannot change between them. */
export function wayOf(servers: readonly string[]): NatsWay | undefined {
  const ways = new Set(servers.map(wayOfOne));
  const [way] = ways;
  return ways.size === 1 ? way : undefined;
}

function wayOfOne(server: string): NatsWay {
  if (/^wss?:\/\//i.test(server)) return "websocket";
  return /^tls:\/\//i.test(server) ? "tls" : "tcp";
}
