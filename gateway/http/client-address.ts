/**
 * Where a request comes from. Anybody can write X-Forwarded-For, so it counts only as far as proxies wrote it that are
 * configured as trusted: it is read from its end, which is the part nearest to this gateway.
 */
import { BlockList, isIP } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";

/** The address that a request comes from; undefined without a socket. */
export type AddressOf = (context: Context) => string | undefined;

/** Whether the text is an address, or a network as 10.0.0.0/8. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Finds the client behind proxies of these networks. */
export function createAddressOf(trustedProxies: readonly string[]): AddressOf {
  const trusted = new BlockList();
  for (const network of trustedProxies) {
    const [address = "", bits] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    trusted.addSubnet(address, bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits), family);
  }
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (context) => {
    const incoming = (context.env as Partial<HttpBindings> | undefined)?.incoming;
    const peer = incoming?.socket.remoteAddress;
    return peer === undefined ? undefined : clientAddress(peer, context.req.header("x-forwarded-for"), isTrusted);
  };
}

/** The nearest address that no trusted proxy has. */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  isTrusted: (address: string) => boolean,
): string {
  let client = plain(peer);
  const hops = forwardedFor === undefined ? [] : forwardedFor.split(",");
  while (hops.length > 0 && isTrusted(client)) {
    const next = plain((hops.pop() as string).trim());
    // What a proxy could not name, nobody can.
    if (isIP(next) === 0) break;
    client = next;
  }
  return client;
}

/** IPv4 as such, also where the socket says ::ffff:10.0.0.1; without brackets or port. */
function plain(address: string): string {
  const bare = /^\[(.*)\](?::\d+)?$/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address;
  return /^::ffff:([\d.]+)$/i.exec(bare)?.[1] ?? bare;
}
