/** The one address of this machine on which the agent listens for managers on other machines. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { ApiError } from "../../protocol/errors.ts";
import type { LinkConfig } from "../provider-config.ts";

export type AddressSources = {
  interfaces: Readonly<Record<string, readonly Pick<NetworkInterfaceInfo, "address" | "family" | "internal">[]>>;
  hostname: string;
  /** addresses of a name; none when it is not known */
  resolve(name: string): Promise<string[]>;
};

/** Finds the address; throws CONFIG_INVALID with what could be configured. */
export async function linkAddress(
  link: Pick<LinkConfig, "address" | "interface">,
  sources: AddressSources = ownSources(),
): Promise<string> {
  const address = await find(link, sources);
  // All interfaces at once would let in whoever reaches any of them.
  if (/^(0\.0\.0\.0|::|0:0:0:0:0:0:0:0)$/.test(address)) {
    throw mistake(`link.address ${address} means every network; name one address`, sources);
  }
  return address;
}

async function find(link: Pick<LinkConfig, "address" | "interface">, sources: AddressSources): Promise<string> {
  if (link.address !== undefined) {
    if (isIP(link.address)) return link.address;
    const [first] = await sources.resolve(link.address);
    if (first === undefined) throw mistake(`link.address ${link.address} has no address`, sources);
    return first;
  }
  if (link.interface !== undefined) {
    const addresses = sources.interfaces[link.interface] ?? [];
    const first = addresses.find(({ family }) => family === "IPv4") ?? addresses.find(isGlobal);
    if (!first) throw mistake(`link.interface ${link.interface} has no address`, sources);
    return first.address;
  }
  const own = (await sources.resolve(sources.hostname)).find((address) => !isLoopback(address));
  if (own !== undefined) return own;
  // Many machines know their own name as 127.0.1.1. With one network there is no doubt.
  const outside = external(sources).filter(({ family }) => family === "IPv4");
  if (outside.length === 1) return (outside[0] as { address: string }).address;
  throw mistake(`this machine's name, ${sources.hostname}, leads to no address that others reach`, sources);
}

function mistake(what: string, sources: AddressSources): ApiError {
  const known = external(sources).map(({ name, address }) => `${address} (${name})`);
  const choice = known.length > 0 ? `this machine has ${known.join(", ")}` : "this machine has no network";
  return new ApiError("CONFIG_INVALID", `${what}; ${choice}: set link.address or link.interface`);
}

function external({ interfaces }: AddressSources) {
  return Object.entries(interfaces).flatMap(([name, addresses]) =>
    addresses.filter((each) => !each.internal && isGlobal(each)).map((each) => ({ name, ...each })),
  );
}

/** Link-local addresses of IPv6 mean nothing to others. */
function isGlobal({ address }: { address: string }): boolean {
  return !/^fe80:/i.test(address);
}

function isLoopback(address: string): boolean {
  return /^127\./.test(address) || address === "::1";
}

function ownSources(): AddressSources {
  return {
    interfaces: networkInterfaces() as AddressSources["interfaces"],
    hostname: hostname(),
    resolve: async (name) => {
      try {
        return (await lookup(name, { all: true, order: "ipv4first" })).map(({ address }) => address);
      } catch {
        return [];
      }
    },
  };
}
