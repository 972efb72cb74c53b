/** Where a request comes from, when proxies stand before the gateway. */
import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clientAddress, isNetwork } from "../../gateway/http/client-address.ts";
import { until } from "./support/events.ts";
import { startTestGateway } from "./support/gateway.ts";

const isTrusted = (address: string) => address.startsWith("10.");

describe("the address of a client", () => {
  const cases: [string, string, string | undefined, string][] = [
    ["is its own without a proxy", "203.0.113.1", undefined, "203.0.113.1"],
    ["is not what it claims itself", "203.0.113.1", "10.1.1.1", "203.0.113.1"],
    ["is what a trusted proxy says", "10.0.0.1", "203.0.113.1", "203.0.113.1"],
    ["is not what it told the proxy", "10.0.0.1", "127.0.0.1, 203.0.113.1", "203.0.113.1"],
    ["is found behind several proxies", "10.0.0.1", "1.2.3.4, 203.0.113.1, 10.0.0.2", "203.0.113.1"],
    ["is the farthest proxy where that is all there is", "10.0.0.1", "10.0.0.2", "10.0.0.2"],
    ["is the proxy's when it says nonsense", "10.0.0.1", "unknown", "10.0.0.1"],
    ["is IPv4 where the socket says so in IPv6", "::ffff:10.0.0.1", "203.0.113.1:4711", "203.0.113.1"],
    ["may be IPv6", "10.0.0.1", "[2001:db8::1]:80", "2001:db8::1"],
  ];
  for (const [what, peer, forwarded, expected] of cases) {
    it(what, () => expect(clientAddress(peer, forwarded, isTrusted)).toBe(expected));
  }

  it("is never one that the client chose, whatever it writes before what the proxy adds", () => {
    const hop = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string());
    fc.assert(
      fc.property(fc.array(hop), (claims) => {
        const forwarded = [...claims, "203.0.113.1"].join(", ");
        expect(clientAddress("10.0.0.1", forwarded, isTrusted)).toBe("203.0.113.1");
        expect(clientAddress("203.0.113.1", claims.join(","), isTrusted)).toBe("203.0.113.1");
        expect(isIP(clientAddress("10.0.0.1", claims.join(","), isTrusted))).not.toBe(0);
      }),
    );
  });

  it("is checked in the configuration", () => {
    for (const good of ["10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"])
      expect([good, isNetwork(good)]).toEqual([good, true]);
    for (const bad of ["", "10.0.0", "10.0.0.0/33", "::/129", "host", "10.0.0.0/8/8", "10.0.0.0/x"]) {
      expect([bad, isNetwork(bad)]).toEqual([bad, false]);
    }
  });

  it("stands in the audit log, for proxies that are listed alone", async () => {
    const denied = { token: null, headers: { "x-forwarded-for": "203.0.113.9" } };
    const actors = async (config: Record<string, unknown>) => {
      await using gateway = await startTestGateway({ config });
      await gateway.request("GET", "/v1/tasks", denied);
      let actor: string | undefined;
      await until("the denial is written", async () => {
        const { items } = await gateway.json<{ items: { actor: string; outcome: string }[] }>("GET", "/v1/audit");
        actor = items.find(({ outcome }) => outcome === "UNAUTHENTICATED")?.actor;
        return actor !== undefined;
      });
      return actor;
    };
    expect(await actors({ trustProxy: ["127.0.0.0/8"] })).toBe("anonymous from 203.0.113.9");
    expect(await actors({ trustProxy: ["10.0.0.0/8"] })).toBe("anonymous");
  });
});
