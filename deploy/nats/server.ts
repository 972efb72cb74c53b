/**
 * Finds the nats-server to run: FARCALL_NATS_SERVER, then PATH, then the per-user cache; else it is fetched into the cache
 * once, in the first of three ways that works.
 */
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import { findOnPath, isExecutable, run } from "../command.ts";
import { directoriesOf, type Environment, makePrivateDirectory } from "../directories.ts";
import { withLock } from "../lock.ts";
import { debianWay } from "./debian.ts";
import { goWay } from "./go.ts";
import { releaseWay } from "./release.ts";

/** The version that is fetched. */
export const NATS_SERVER_VERSION = "2.15.2";
/** The oldest that is used: earlier ones have cross-account and authentication advisories. */
export const OLDEST_NATS_SERVER = "2.14.0";

export type NatsServer = { path: string; version: string; from: string };

/** One way to fetch a nats-server: puts it somewhere in `directory` and returns where. */
export type FetchWay = {
  name: string;
  /** how a person does the same */
  advice: string;
  fetch(directory: string, options: { version: string; env: Environment }): Promise<string>;
};

export type NatsServerOptions = {
  /** told what is going on, in sentences */
  log?: (line: string) => void;
  env?: Environment;
  ways?: readonly FetchWay[];
};

/** The nats-server that is there already, or undefined. Throws NATS_SERVER_TOO_OLD for one that was named and is too old. */
export async function findNatsServer(options: NatsServerOptions = {}): Promise<NatsServer | undefined> {
  const env = options.env ?? process.env;
  if (env.FARCALL_NATS_SERVER) {
    const version = await versionOf(env.FARCALL_NATS_SERVER).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ApiError("NATS_SERVER_MISSING", `FARCALL_NATS_SERVER=${env.FARCALL_NATS_SERVER} does not run: ${why}`, {
        cause,
      });
    });
    if (isTooOld(version)) throw tooOld(env.FARCALL_NATS_SERVER, version);
    return { path: env.FARCALL_NATS_SERVER, version, from: "FARCALL_NATS_SERVER" };
  }
  const onPath = await findOnPath("nats-server", env);
  if (onPath) {
    const version = await versionOf(onPath).catch(() => undefined);
    if (version && !isTooOld(version)) return { path: onPath, version, from: "PATH" };
    if (version) options.log?.(`${tooOld(onPath, version).message}; looking for another`);
  }
  return findInCache(cacheOf(env));
}

/** The nats-server that is there, or a fetched one. Throws NATS_SERVER_MISSING, with the three ways, when none can be had. */
export async function ensureNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const found = await findNatsServer(options);
  if (found) return found;
  const cache = makePrivateDirectory(cacheOf(options.env ?? process.env));
  return withLock(join(cache, ".lock"), async () => {
    // Another process may have fetched it while this one waited for the lock.
    return (await findInCache(cache)) ?? fetchInto(cache, options);
  });
}

async function fetchInto(cache: string, options: NatsServerOptions): Promise<NatsServer> {
  const log = options.log ?? (() => {});
  const ways = options.ways ?? [releaseWay(), debianWay(), goWay()];
  const failures: string[] = [];
  for (const way of ways) {
    const directory = await mkdtemp(join(cache, ".fetch-"));
    try {
      log(`nats-server is not installed; fetching ${NATS_SERVER_VERSION} once, by ${way.name}`);
      const binary = await way.fetch(directory, { version: NATS_SERVER_VERSION, env: options.env ?? process.env });
      await chmod(binary, 0o755);
      const version = await versionOf(binary);
      if (isTooOld(version)) throw tooOld(binary, version);
      const path = join(cache, version, "nats-server");
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rename(binary, path);
      log(`nats-server ${version} is now in ${path}`);
      return { path, version, from: way.name };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      failures.push(`${way.name}: ${why}`);
      log(`that did not work: ${why}`);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  throw new ApiError("NATS_SERVER_MISSING", missingMessage(ways, failures), { details: { failures } });
}

function missingMessage(ways: readonly FetchWay[], failures: string[]): string {
  const lines = [`nats-server >= 2.14 is not installed and could not be fetched. Ways to install it:`];
  for (const [index, way] of ways.entries()) lines.push(`  ${index + 1}. ${way.advice}`);
  lines.push("Put it on PATH, or name it in FARCALL_NATS_SERVER. What was tried:");
  for (const failure of failures) lines.push(`  - ${failure}`);
  return lines.join("\n");
}

async function findInCache(cache: string): Promise<NatsServer | undefined> {
  const versions = await readdir(cache).catch(() => [] as string[]);
  const usable = versions.filter((name) => /^\d+\.\d+\.\d+/.test(name) && !isTooOld(name)).sort(compareVersions);
  for (const version of usable.reverse()) {
    const path = join(cache, version, "nats-server");
    // It ran when it was put there, so that `farcall up` need not start it twice.
    if (await isExecutable(path)) return { path, version, from: "cache" };
  }
  return undefined;
}

function cacheOf(env: Environment): string {
  return join(directoriesOf(env).cache, "nats-server");
}

async function versionOf(path: string): Promise<string> {
  const text = await run(path, ["--version"], { timeoutMs: 10_000 });
  const version = /v?(\d+\.\d+\.\d+\S*)/.exec(text)?.[1];
  if (!version) throw new Error(`${path} --version printed ${JSON.stringify(text.slice(0, 80))}`);
  return version;
}

function isTooOld(version: string): boolean {
  return compareVersions(version, OLDEST_NATS_SERVER) < 0;
}

function tooOld(path: string, version: string): ApiError {
  return new ApiError(
    "NATS_SERVER_TOO_OLD",
    `${path} is version ${version}, older than 2.14: earlier ones let one account reach another's subjects`,
    { details: { path, version, oldest: OLDEST_NATS_SERVER } },
  );
}

function compareVersions(a: string, b: string): number {
  const parts = (version: string) => version.split(/[.-]/).slice(0, 3).map(Number);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
  return 0;
}
