import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isSigned, judgeCertificate, parseCertificate } from "../../../deploy/ssh/host-certificate.ts";
import { knownHostLine, parseKnownHosts } from "../../../deploy/ssh/known-hosts.ts";
import { keygen } from "../../support/sshd.ts";

const TYPES = ["ed25519", "ecdsa", "rsa"] as const;

describe.skipIf(spawnSync("ssh-keygen", ["-?"]).error !== undefined)(
  "host certificates, as ssh-keygen makes them",
  () => {
    let dir: string;
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), "farcall-certificates-"));
      for (const type of TYPES) {
        keygen(join(dir, `ca-${type}`), type);
        keygen(join(dir, `host-${type}`), type);
      }
    });
    afterAll(() => rmSync(dir, { recursive: true, force: true }));

    const publicKey = (name: string) =>
      Buffer.from(readFileSync(join(dir, `${name}.pub`), "utf8").split(" ")[1] as string, "base64");
    /** Signs the key of a host, and reads the certificate. */
    function certify(authority: string, options: { host?: string; args?: string[]; names?: string } = {}) {
      const { host = "host-ed25519", args = ["-h"], names = "login.site,*.wild.site" } = options;
      const principals = names === "" ? [] : ["-n", names];
      execFileSync("ssh-keygen", [
        "-q",
        "-s",
        join(dir, authority),
        "-I",
        "test",
        ...args,
        ...principals,
        join(dir, `${host}.pub`),
      ]);
      return Buffer.from(readFileSync(join(dir, `${host}-cert.pub`), "utf8").split(" ")[1] as string, "base64");
    }
    const known = (authority: string, hosts = "*.site") =>
      parseKnownHosts(`@cert-authority ${knownHostLine(hosts, publicKey(authority))}`);
    const judge = (data: Buffer, more: Partial<Parameters<typeof judgeCertificate>[1]> = {}) =>
      judgeCertificate(parseCertificate(data), {
        names: ["login.site"],
        host: "login.site",
        known: known("ca-ed25519"),
        nowMs: Date.now(),
        ...more,
      });

    it("are trusted for every type of authority and of key", () => {
      for (const ca of TYPES) {
        for (const host of TYPES) {
          const data = certify(`ca-${ca}`, { host: `host-${host}` });
          expect(parseCertificate(data).key.equals(publicKey(`host-${host}`))).toBe(true);
          expect(judge(data, { known: known(`ca-${ca}`) }), `${ca} for ${host}`).toEqual({ trusted: true });
        }
      }
    });

    it("are for the names that they say", () => {
      const data = certify("ca-ed25519");
      expect(judge(data, { names: ["a.wild.site"], host: "a.wild.site" })).toEqual({ trusted: true });
      expect(judge(data, { names: ["other.site"], host: "other.site" })).toMatchObject({
        why: expect.stringContaining("not for other.site"),
      });
      expect(judge(certify("ca-ed25519", { names: "" }))).toMatchObject({
        trusted: false,
        why: expect.stringContaining("nobody"),
      });
    });

    it("count for an authority that known_hosts names for this host, and that is not revoked", () => {
      const data = certify("ca-ed25519");
      expect(judge(data, { known: known("ca-ecdsa") }).trusted).toBe(false);
      expect(judge(data, { known: known("ca-ed25519", "*.elsewhere") }).trusted).toBe(false);
      for (const key of ["ca-ed25519", "host-ed25519"]) {
        const revoked = parseKnownHosts(`@revoked ${knownHostLine("*", publicKey(key))}`);
        expect(judge(data, { known: [...known("ca-ed25519"), ...revoked] })).toMatchObject({
          why: expect.stringContaining("revokes"),
        });
      }
    });

    it("have their time", () => {
      const data = certify("ca-ed25519", { args: ["-h", "-V", "20300101:20310101"] });
      expect(judge(data)).toMatchObject({ why: "it is not valid yet" });
      expect(judge(data, { nowMs: Date.UTC(2030, 6) })).toEqual({ trusted: true });
      expect(judge(data, { nowMs: Date.UTC(2032, 0) })).toMatchObject({ why: "it is not valid any more" });
    });

    it("of users are none of hosts, and conditions that are not known count", () => {
      expect(judge(certify("ca-ed25519", { args: [] }))).toMatchObject({ why: "it is not one of a host" });
      const critical = certify("ca-ed25519", { args: ["-h", "-O", "critical:x@example.org=1"] });
      expect(judge(critical)).toMatchObject({ why: expect.stringContaining("x@example.org") });
    });

    it("count for nothing when one byte is another", () => {
      const data = certify("ca-rsa", { host: "host-ecdsa" });
      for (let at = 0; at < data.length; at += 3) {
        const changed = Buffer.from(data);
        changed[at] = (changed[at] as number) ^ 1;
        expect(signedOf(changed), `byte ${at}`).toBe(false);
      }
      for (let length = 0; length < data.length; length += 7) expect(signedOf(data.subarray(0, length))).toBe(false);
    });
  },
);

function signedOf(data: Buffer): boolean {
  try {
    return isSigned(parseCertificate(data));
  } catch {
    return false;
  }
}
