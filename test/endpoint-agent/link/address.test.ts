import { describe, expect, it } from "vitest";
import { type AddressSources, linkAddress } from "../../../endpoint-agent/link/address.ts";

const four = (address: string, internal = false) => ({ address, family: "IPv4" as const, internal });
const six = (address: string) => ({ address, family: "IPv6" as const, internal: false });
function machine(change: Partial<AddressSources> & { names?: Record<string, string[]> } = {}): AddressSources {
  return {
    interfaces: {
      lo: [four("127.0.0.1", true)],
      eth0: [four("192.0.2.7"), six("fe80::1")],
      ib0: [four("198.51.100.7")],
    },
    hostname: "login1",
    resolve: async (name) => change.names?.[name] ?? [],
    ...change,
  };
}

describe("the address on which managers of other machines are listened for", () => {
  it("is what the configuration says: an address, a name, or an interface's address", async () => {
    const names = { "login1-ib": ["198.51.100.7"] };
    expect(await linkAddress({ address: "192.0.2.7" }, machine())).toBe("192.0.2.7");
    expect(await linkAddress({ address: "login1-ib" }, machine({ names }))).toBe("198.51.100.7");
    expect(await linkAddress({ interface: "ib0" }, machine())).toBe("198.51.100.7");
    expect(
      await linkAddress({ interface: "x" }, machine({ interfaces: { x: [six("fe80::1"), six("2001:db8::1")] } })),
    ).toBe("2001:db8::1");
  });

  it("is else the one of this machine's name, but never a loopback address", async () => {
    expect(await linkAddress({}, machine({ names: { login1: ["127.0.1.1", "192.0.2.7"] } }))).toBe("192.0.2.7");
    const one = { interfaces: { eth0: [four("192.0.2.9"), six("fe80::1")] }, names: { login1: ["127.0.1.1"] } };
    expect(await linkAddress({}, machine(one))).toBe("192.0.2.9");
  });

  it("is asked for when it is not clear, naming those that there are", async () => {
    const unclear = linkAddress({}, machine({ names: { login1: ["127.0.1.1"] } }));
    await expect(unclear).rejects.toThrow(
      /login1, leads to no address that others reach; this machine has 192\.0\.2\.7 \(eth0\), 198\.51\.100\.7 \(ib0\)/,
    );
    await expect(linkAddress({ interface: "eth9" }, machine())).rejects.toThrow(/eth9 has no address/);
    await expect(linkAddress({ address: "nowhere" }, machine())).rejects.toThrow(/nowhere has no address/);
  });

  it.each(["0.0.0.0", "::"])("is never every network: %s", async (address) => {
    await expect(linkAddress({ address }, machine())).rejects.toThrow(/means every network/);
  });
});
