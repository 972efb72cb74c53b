import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { redirectManagers } from "../../../endpoint-agent/link/redirect.ts";

it("A1: managers of earlier runs are told where the agent is now", () => {
  const dir = mkdtempSync(join(tmpdir(), "farcall-redirect-"));
  try {
    const file = join(dir, "block", "node-0.json");
    mkdirSync(join(dir, "block", "node-0"), { recursive: true });
    writeFileSync(file, JSON.stringify({ block: "block", dial: { kind: "unix", path: "/old" } }), { mode: 0o600 });
    writeFileSync(join(dir, "block", "node-1.json"), "not JSON");
    const dial = { kind: "tls" as const, host: "192.0.2.1", port: 7, fingerprint: "a".repeat(64) };
    redirectManagers(dir, dial);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ block: "block", dial });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dir, "block", "node-1.json"), "utf8")).toBe("not JSON");
    expect(readdirSync(join(dir, "block")).sort()).toEqual(["node-0", "node-0.json", "node-1.json"]);
    redirectManagers(join(dir, "nowhere"), dial);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
