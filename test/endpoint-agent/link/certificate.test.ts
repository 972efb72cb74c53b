import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { keepIdentity, makeIdentity } from "../../../endpoint-agent/link/certificate.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
});

describe("the agent's certificate", () => {
  it("is signed by its own key and does not expire", () => {
    for (let i = 0; i < 20; i++) {
      const { cert, fingerprint } = makeIdentity();
      const parsed = new X509Certificate(cert);
      expect(parsed.verify(parsed.publicKey)).toBe(true);
      expect(parsed.subject).toBe("CN=farcall agent");
      expect(parsed.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(fingerprint);
      expect(parsed.validToDate.getUTCFullYear()).toBe(9999);
    }
  });

  it("is kept in a private file, so that managers know it again after a restart", () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-cert-"));
    dirs.push(dir);
    const path = join(dir, "link.pem");
    const first = keepIdentity(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(keepIdentity(path)).toEqual(first);
    chmodSync(path, 0o640);
    expect(() => keepIdentity(path)).toThrow(/can be read by others/);
  });
});
