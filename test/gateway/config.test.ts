/** gateway.yaml: every mistake is answered with file, line, field, value and what would be right. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseGatewayConfig } from "../../gateway/config.ts";

const minimal = "stateDir: state\nnats:\n  servers: [nats://127.0.0.1:4222]\n  dir: nats\n";
const parse = (text: string) => parseGatewayConfig(text, "gateway.yaml");

describe("gateway.yaml", () => {
  it("needs a state directory and NATS; all else has a default", () => {
    expect(parse(minimal)).toMatchObject({
      listen: { host: "127.0.0.1", port: 0 },
      durability: "disk",
      allowUnauthenticatedLoopback: false,
      limits: { maxBodyBytes: 1024 ** 2, perOwner: { tasks: 2_000_000 } },
    });
  });

  const mistakes: [string, string, RegExp][] = [
    [
      "a wrong type",
      `${minimal}listen:\n  port: "http"\n`,
      /^gateway\.yaml:6: listen\.port is "http"; expected a number$/,
    ],
    [
      "a number out of range",
      `${minimal}listen: {port: 70000}\n`,
      /^gateway\.yaml:5: listen\.port is 70000; expected at most 65535$/,
    ],
    [
      "a wrong choice",
      `${minimal}durability: ram\n`,
      /^gateway\.yaml:5: durability is "ram"; expected one of disk, fast$/,
    ],
    [
      "an unknown field",
      `${minimal}limits:\n  perUser: 3\n`,
      /^gateway\.yaml:6: limits\.perUser is 3; expected no such field at limits$/,
    ],
    [
      "an unknown field at the top",
      `${minimal}durabilty: disk\n`,
      /^gateway\.yaml:5: durabilty is "disk"; expected no such field at the top level$/,
    ],
    [
      "a missing field",
      "nats:\n  servers: [a]\n  dir: n\n",
      /^gateway\.yaml:1: stateDir is missing; expected a string$/,
    ],
    [
      "a missing field inside",
      "stateDir: s\nnats:\n  servers: [a]\n",
      /^gateway\.yaml:3: nats\.dir is missing; expected a string$/,
    ],
    [
      "a host name",
      `${minimal}listen:\n  host: gateway.example\n`,
      /^gateway\.yaml:6: listen\.host is "gateway\.example"; expected an IP address/,
    ],
    [
      "no tokens on an open address",
      `${minimal}listen: {host: 10.0.0.1}\nallowUnauthenticatedLoopback: true\n`,
      /^gateway\.yaml:6: allowUnauthenticatedLoopback is true; expected false, because/,
    ],
    [
      "no tokens behind a proxy",
      `${minimal}trustProxy: [127.0.0.1]\nallowUnauthenticatedLoopback: true\n`,
      /^gateway\.yaml:6: allowUnauthenticatedLoopback is true; expected false, because with trustProxy/,
    ],
    [
      "a proxy that is no network",
      `${minimal}trustProxy: [10.0.0.1, proxy.example]\n`,
      /^gateway\.yaml:5: trustProxy\.1 is "proxy\.example"; expected an address, or a network/,
    ],
    [
      "servers of two kinds",
      "stateDir: s\nnats:\n  servers: [tls://a, wss://b]\n  dir: n\n",
      /^gateway\.yaml:3: nats\.servers is .*; expected URLs of one kind/,
    ],
    [
      "a certificate without its key",
      `${minimal}tls: {cert: c.pem}\n`,
      /^gateway\.yaml:5: tls\.key is missing; expected a string/,
    ],
    ["a broken file", "stateDir: [\n", /^gateway\.yaml:\d: /],
    ["a field twice", `${minimal}stateDir: other\n`, /^gateway\.yaml:5: .*unique/],
    ["an empty file", "", /^gateway\.yaml:1: /],
    ["a list", "- a\n", /^gateway\.yaml:1: the file is .*; expected an object$/],
  ];
  for (const [what, text, message] of mistakes) {
    it(`with ${what} says so`, () => {
      let error: unknown;
      try {
        parse(text);
      } catch (caught) {
        error = caught;
      }
      expect(error).toMatchObject({ code: "CONFIG_INVALID" });
      expect((error as Error).message).toMatch(message);
    });
  }

  it("is read or refused, never anything else, whatever is in it", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((json) => `${minimal}limits: ${json}\n`),
        ),
        (text) => {
          try {
            parse(text);
          } catch (error) {
            expect(error).toMatchObject({ code: "CONFIG_INVALID" });
          }
        },
      ),
    );
  });

  it("with a billion laughs in it is refused at once", () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) =>
        `${"abcdefghi"[i]}: &${"abcdefghi"[i]} [${
          i === 0
            ? "lol"
            : Array(9)
                .fill(`*${"abcdefghi"[i - 1]}`)
                .join(",")
        }]`,
    );
    expect(() => parse(levels.join("\n"))).toThrow(/gateway\.yaml:1: .*alias/);
  });
});
