import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { fetchRelease, type Release } from "../../../deploy/ssh/site/node-fetch.ts";
import { tar } from "../../../deploy/ssh/site/tar.ts";

const release: Release = { from: "release", version: "22.19.0", variant: "linux-x64-glibc-217", unofficial: true };
const name = "node-v22.19.0-linux-x64-glibc-217";
const binary = Buffer.from("#!/bin/sh\necho v22.19.0\n");
const archive = gzipSync(
  tar([
    { path: `${name}/README.md`, content: Buffer.from("read") },
    { path: `${name}/bin/node`, content: binary },
  ]),
);
const sum = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A server of releases on loopback, and an empty cache. */
async function startMirror(sums: string, served = archive) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (request.url === "/v22.19.0/SHASUMS256.txt") response.end(sums);
    else if (request.url === `/v22.19.0/${name}.tar.gz`) response.end(served);
    else response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const cache = mkdtempSync(join(tmpdir(), "farcall-node-"));
  onTestFinished(() => {
    server.close();
    rmSync(cache, { recursive: true, force: true });
  });
  const env = {
    XDG_CACHE_HOME: cache,
    FARCALL_NODE_MIRROR: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
  return { get: () => fetchRelease(release, { env, signal: new AbortController().signal }), requests: () => requests };
}

describe("a release of Node.js", () => {
  it("is fetched once, verified and kept", async () => {
    const mirror = await startMirror(`${sum(Buffer.from("x"))}  other.tar.gz\n${sum(archive)}  ${name}.tar.gz\n`);
    expect((await mirror.get()).equals(binary)).toBe(true);
    expect((await mirror.get()).equals(binary)).toBe(true);
    expect(mirror.requests()).toBe(2);
  });

  it("with another checksum is refused, and not kept", async () => {
    const mirror = await startMirror(`${sum(archive)}  ${name}.tar.gz\n`, gzipSync("something else"));
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(mirror.get()).rejects.toMatchObject({
        code: "SITE_UNFIT",
        message: expect.stringContaining("checksum"),
      });
    }
  });

  it("that there is none of is said, with the way that is left", async () => {
    const mirror = await startMirror("");
    await expect(mirror.get()).rejects.toThrow(/lists no node-v22.*--node/);
  });
});
