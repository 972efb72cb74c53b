/** Gets the Node.js binary for a site: this machine's, or a release's, whose checksum is verified here. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ApiError } from "../../../protocol/errors.ts";
import { directoriesOf, type Environment, makePrivateDirectory } from "../../directories.ts";
import type { NodeChoice } from "./node-choice.ts";
import { fileOfTar } from "./tar.ts";

const OFFICIAL = "https://nodejs.org/dist";
const UNOFFICIAL = "https://unofficial-builds.nodejs.org/download/release";
const FETCH_MS = 600_000;

export type Release = Extract<NodeChoice, { from: "release" }>;

/** The binary of a release. FARCALL_NODE_MIRROR names another server with the same tree, for closed networks. */
export async function fetchRelease(
  release: Release,
  { env, signal }: { env: Environment; signal: AbortSignal },
): Promise<Buffer> {
  const name = `node-v${release.version}-${release.variant}`;
  const cached = join(makePrivateDirectory(join(directoriesOf(env).cache, "node")), name);
  if (existsSync(cached)) return readFileSync(cached);
  const base = `${env.FARCALL_NODE_MIRROR ?? (release.unofficial ? UNOFFICIAL : OFFICIAL)}/v${release.version}`;
  const sums = (await get(`${base}/SHASUMS256.txt`, signal)).toString("utf8");
  const wanted = sums
    .split("\n")
    .find((line) => line.trim().endsWith(`  ${name}.tar.gz`))
    ?.slice(0, 64);
  if (!wanted)
    throw new ApiError(
      "SITE_UNFIT",
      `${base}/SHASUMS256.txt lists no ${name}.tar.gz; say --node <path> for one that is at the site`,
    );
  const archive = await get(`${base}/${name}.tar.gz`, signal);
  if (createHash("sha256").update(archive).digest("hex") !== wanted) {
    throw new ApiError("SITE_UNFIT", `${base}/${name}.tar.gz does not have the checksum that SHASUMS256.txt says`);
  }
  const binary = fileOfTar(gunzipSync(archive), `${name}/bin/node`);
  if (!binary) throw new ApiError("SITE_UNFIT", `${name}.tar.gz holds no bin/node`);
  writeFileSync(cached, binary, { mode: 0o700 });
  return binary;
}

async function get(url: string, signal: AbortSignal): Promise<Buffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (cause) {
    signal.throwIfAborted();
    throw new ApiError(
      "SITE_UNFIT",
      `${url} cannot be fetched: ${(cause as Error).message}; say --node <path> for a Node.js that is at the site`,
      { cause },
    );
  }
}
