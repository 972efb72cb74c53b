import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fingerprint, judgeHostKey, knownTypes } from "../../../deploy/ssh/host-key.ts";
import {
  hashName,
  hostName,
  knownHostLine,
  matchesPattern,
  parseKnownHosts,
  speaksOf,
} from "../../../deploy/ssh/known-hosts.ts";
import { keygen } from "../../support/sshd.ts";

const keygenFound = spawnSync("ssh-keygen", ["-?"]).error === undefined;

const label = fc.stringMatching(/^[a-z0-9]{1,6}$/);
const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join("."));
const port = fc.constantFrom(22, 2222, 1);

describe("known_hosts", () => {
  it("knows a name that it has hashed, and no other", () => {
    fc.assert(
      fc.property(host, port, host, fc.uint8Array({ minLength: 20, maxLength: 20 }), (name, at, other, salt) => {
        const hashed = hashName(hostName(name, at), Buffer.from(salt));
        expect(speaksOf(hashed, hostName(name.toUpperCase(), at))).toBe(true);
        expect(speaksOf(hashed, hostName(other, at))).toBe(other === name);
      }),
    );
  });

  it("matches patterns as a naive matcher does", () => {
    const naive = (pattern: string, text: string) =>
      new RegExp(
        `^${[...pattern].map((c) => (c === "*" ? ".*" : c === "?" ? "." : c.replace(/\W/g, "\\$&"))).join("")}$`,
      ).test(text);
    const pattern = fc.stringMatching(/^[ab.*?]{0,8}$/);
    const text = fc.stringMatching(/^[ab.]{0,8}$/);
    fc.assert(fc.property(pattern, text, (wanted, name) => matchesPattern(wanted, name) === naive(wanted, name)));
  });

  it("takes no longer for a pattern of many stars", () => {
    expect(matchesPattern(`${"*a".repeat(60)}b`, "a".repeat(5_000))).toBe(false);
  });

  it("lets a negation win wherever it stands", () => {
    fc.assert(
      fc.property(host, fc.shuffledSubarray(["*", "a*", "?*"], { minLength: 1 }), fc.nat(3), (name, patterns, at) => {
        const line = patterns.toSpliced(Math.min(at, patterns.length), 0, `!${name}`).join(",");
        expect(speaksOf(line, name)).toBe(false);
      }),
    );
  });

  it("survives any text", () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => void parseKnownHosts(text)));
  });
});

describe.skipIf(!keygenFound)("known_hosts, against ssh-keygen", () => {
  let dir: string;
  let ed25519: Buffer;
  let rsa: Buffer;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-known-hosts-"));
    const make = (type: "ed25519" | "rsa") => {
      keygen(join(dir, type), type);
      return Buffer.from(readFileSync(join(dir, `${type}.pub`), "utf8").split(" ")[1] as string, "base64");
    };
    ed25519 = make("ed25519");
    rsa = make("rsa");
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const file = () => join(dir, "known_hosts");
  const found = (name: string) =>
    spawnSync("ssh-keygen", ["-F", name, "-f", file()], { encoding: "utf8" })
      .stdout.split("\n")
      .flatMap((line) => /found: line (\d+)/.exec(line)?.[1] ?? []);

  it("finds the lines that ssh-keygen -F finds, plain, with patterns, negated, with ports and hashed", () => {
    const lines = [
      knownHostLine("one.example", ed25519),
      knownHostLine("*.example,!two.example", rsa),
      knownHostLine("[one.example]:2222", rsa),
      knownHostLine("[*.example]:2222,[10.0.0.?]:*", ed25519),
      `@revoked ${knownHostLine("two.example", ed25519)}`,
      `@cert-authority ${knownHostLine("*.example", rsa)}`,
      "# a comment\n\n",
      knownHostLine("10.0.0.7", ed25519),
    ].join("");
    writeFileSync(file(), lines);
    const known = parseKnownHosts(lines);
    for (const name of [
      "one.example",
      "two.example",
      "ONE.example",
      "[one.example]:2222",
      "[two.example]:2222",
      "10.0.0.7",
      "[10.0.0.7]:22222",
      "nowhere",
    ]) {
      const own = known.filter((entry) => speaksOf(entry.hosts, name)).map(({ line }) => String(line));
      expect(own, name).toEqual(found(name));
    }
  });

  it("reads what ssh-keygen -H hashed, and ssh-keygen reads what it hashes", () => {
    writeFileSync(file(), knownHostLine("one.example", ed25519) + knownHostLine("[one.example]:2222", rsa));
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file()], { stdio: "ignore" });
    const known = parseKnownHosts(readFileSync(file(), "utf8"));
    expect(known.map(({ hosts }) => hosts.slice(0, 3))).toEqual(["|1|", "|1|"]);
    expect(judgeHostKey(ed25519, ["one.example"], known)).toEqual({ verdict: "trusted" });
    expect(judgeHostKey(rsa, ["[one.example]:2222"], known)).toEqual({ verdict: "trusted" });
    writeFileSync(file(), knownHostLine(hashName("[three.example]:7", Buffer.alloc(20, 3)), rsa));
    expect(found("[three.example]:7")).toEqual(["1"]);
  });

  it("shows the fingerprint that ssh-keygen -l shows", () => {
    const shown = execFileSync("ssh-keygen", ["-l", "-f", join(dir, "ed25519.pub")], { encoding: "utf8" });
    expect(shown.split(" ")[1]).toBe(fingerprint(ed25519));
  });

  it("tells a changed key from an unknown type, a revoked one and one known without its port", () => {
    const known = parseKnownHosts(`${knownHostLine("site", ed25519)}@revoked ${knownHostLine("*", rsa)}`);
    keygen(join(dir, "other"), "ed25519");
    const other = Buffer.from(readFileSync(join(dir, "other.pub"), "utf8").split(" ")[1] as string, "base64");
    expect(judgeHostKey(other, ["site"], known)).toMatchObject({ verdict: "changed", entry: { line: 1 } });
    expect(judgeHostKey(rsa, ["site"], known)).toMatchObject({ verdict: "revoked" });
    expect(judgeHostKey(rsa, ["site"], known.slice(0, 1))).toEqual({ verdict: "unknown", others: ["ssh-ed25519"] });
    expect(judgeHostKey(ed25519, ["[site]:2222", "site"], known)).toEqual({ verdict: "trusted" });
    // What is known without a port says nothing against another key at a port.
    expect(judgeHostKey(other, ["[site]:2222", "site"], known)).toEqual({ verdict: "unknown", others: [] });
    expect(knownTypes(["site"], known)).toEqual(["ssh-ed25519"]);
  });
});
