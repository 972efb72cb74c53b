/** The archive of the project's release, checked against the sums published with it. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run } from "../command.ts";
import type { FetchWay } from "./server.ts";

const RELEASES = "https://github.com/nats-io/nats-server/releases/download";
const CONNECT_TIMEOUT_MS = 6_000;
const STALL_TIMEOUT_MS = 15_000;

const ARCHITECTURES: Record<string, string> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm7",
  ia32: "386",
  s390x: "s390x",
};

/** Downloads from the releases' page, or from `base` laid out like it. */
export function releaseWay(base = RELEASES): FetchWay {
  return {
    name: "the release archive",
    advice: "download the archive for your machine from https://github.com/nats-io/nats-server/releases",
    async fetch(directory, { version }) {
      const stem = `nats-server-v${version}-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;
      const sums = await (await get(`${base}/v${version}/SHA256SUMS`)).text();
      const expected = sumOf(sums, `${stem}.tar.gz`);
      const archive = join(directory, "archive.tar.gz");
      await download(`${base}/v${version}/${stem}.tar.gz`, archive);
      const actual = await sha256(archive);
      if (actual !== expected) {
        throw new Error(`the archive's SHA-256 is ${actual}, published is ${expected}; it was thrown away`);
      }
      await run("tar", ["-xzf", archive, "-C", directory], { timeoutMs: 60_000 });
      return join(directory, stem, "nats-server");
    },
  };
}

/** Finds a file's sum in the format of sha256sum. */
export function sumOf(sums: string, file: string): string {
  for (const line of sums.split("\n")) {
    const match = /^([0-9a-f]{64})\s+\*?(\S+)$/i.exec(line.trim());
    if (match?.[2] === file) return (match[1] as string).toLowerCase();
  }
  throw new Error(`SHA256SUMS does not name ${file}`);
}

async function get(url: string): Promise<Response> {
  return answered(await fetch(url, { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) }).catch(rethrow(url)), url);
}

async function download(url: string, file: string): Promise<void> {
  const stalled = new AbortController();
  const abort = () => stalled.abort(new Error(`${url}: no bytes for a while`));
  let timer = setTimeout(abort, CONNECT_TIMEOUT_MS);
  try {
    const response = answered(await fetch(url, { signal: stalled.signal }).catch(rethrow(url)), url);
    const body = Readable.fromWeb(response.body as import("node:stream/web").ReadableStream);
    body.on("data", () => {
      clearTimeout(timer);
      timer = setTimeout(abort, STALL_TIMEOUT_MS);
    });
    await pipeline(body, createWriteStream(file, { mode: 0o600 }));
  } finally {
    clearTimeout(timer);
  }
}

function answered(response: Response, url: string): Response {
  if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
  return response;
}

function rethrow(url: string): (error: unknown) => never {
  return (error) => {
    // fetch says only "fetch failed"; the reason is in its cause.
    const cause = (error as { cause?: unknown }).cause ?? error;
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause: error });
  };
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
