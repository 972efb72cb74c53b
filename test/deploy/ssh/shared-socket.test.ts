import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isOwnSocket } from "../../../deploy/ssh/shared-connection.ts";

it("the connection that ssh shares is used through a socket of one's own alone", async () => {
  const dir = mkdtempSync(join(tmpdir(), "farcall-shared-"));
  const path = join(dir, "master");
  const server = createServer().listen(path);
  try {
    await once(server, "listening");
    expect(isOwnSocket(path)).toBe(true);
    symlinkSync(path, join(dir, "link"));
    writeFileSync(join(dir, "file"), "");
    for (const other of ["link", "file", "missing"]) expect(isOwnSocket(join(dir, other)), other).toBe(false);
    // Only root can give it to somebody else.
    if (process.getuid?.() !== 0) return;
    chownSync(path, 65_534, 65_534);
    expect(isOwnSocket(path)).toBe(false);
  } finally {
    server.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
