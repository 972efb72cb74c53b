import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findOnPath, run } from "../../deploy/command.ts";
import { debianWay } from "../../deploy/nats/debian.ts";
import { goWay } from "../../deploy/nats/go.ts";
import { releaseWay } from "../../deploy/nats/release.ts";
import { ensureNatsServer, type FetchWay, findNatsServer, NATS_SERVER_VERSION } from "../../deploy/nats/server.ts";
import { freePort } from "../../deploy/ports.ts";

let root: string;
/** Nothing but the tools that fetching needs is on this PATH. */
let bare: Record<string, string>;
let said: string[];
const log = (line: string) => said.push(line);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "farcall-nats-"));
  bare = { HOME: root, PATH: join(root, "bin"), XDG_CACHE_HOME: join(root, "cache") };
  said = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("finding a nats-server", () => {
  it("takes the one that FARCALL_NATS_SERVER names before the one on PATH", async () => {
    const named = await fakeServer(join(root, "elsewhere", "nats-server"), "2.14.1");
    await fakeServer(join(root, "bin", "nats-server"), "2.15.0");
    const found = await findNatsServer({ env: { ...bare, FARCALL_NATS_SERVER: named } });
    expect(found).toEqual({ path: named, version: "2.14.1", from: "FARCALL_NATS_SERVER" });
  });

  it("takes the one on PATH before the cache", async () => {
    const onPath = await fakeServer(join(root, "bin", "nats-server"), "2.14.0");
    await fakeServer(join(root, "cache", "farcall", "nats-server", "2.15.2", "nats-server"), "2.15.2");
    expect(await findNatsServer({ env: bare })).toEqual({ path: onPath, version: "2.14.0", from: "PATH" });
  });

  it("takes the newest of the cache that is new enough", async () => {
    for (const version of ["2.9.10", "2.15.2", "2.14.9"]) {
      await fakeServer(join(root, "cache", "farcall", "nats-server", version, "nats-server"), version);
    }
    expect((await findNatsServer({ env: bare }))?.version).toBe("2.15.2");
  });

  it("refuses a named one that is older than 2.14, with the reason", async () => {
    const named = await fakeServer(join(root, "nats-server"), "2.10.27");
    const refused = ensureNatsServer({ env: { ...bare, FARCALL_NATS_SERVER: named } });
    await expect(refused).rejects.toMatchObject({
      code: "NATS_SERVER_TOO_OLD",
      message: expect.stringMatching(/2\.10\.27.*older than 2\.14.*account/),
    });
  });

  it("passes over one on PATH that is too old, saying so", async () => {
    await fakeServer(join(root, "bin", "nats-server"), "2.9.10");
    const found = await ensureNatsServer({ env: bare, log, ways: [copyWay("2.15.2")] });
    expect(found).toMatchObject({ version: "2.15.2", from: "a copy" });
    expect(said[0]).toMatch(/2\.9\.10, older than 2\.14/);
  });

  it("names the reason when FARCALL_NATS_SERVER does not run", async () => {
    const refused = findNatsServer({ env: { ...bare, FARCALL_NATS_SERVER: join(root, "nowhere") } });
    await expect(refused).rejects.toMatchObject({
      code: "NATS_SERVER_MISSING",
      message: expect.stringMatching(/nowhere does not run/),
    });
  });
});

describe("fetching a nats-server", () => {
  it("says that it fetches, tries the next way when one fails, and fetches only once", async () => {
    const broken: FetchWay = {
      ...copyWay("2.15.2"),
      name: "a broken way",
      fetch: () => Promise.reject(new Error("no")),
    };
    const first = await ensureNatsServer({ env: bare, log, ways: [broken, copyWay("2.15.2")] });
    expect(said.join("\n")).toMatch(/fetching .* by a broken way[\s\S]*did not work: no[\s\S]*by a copy/);
    expect(await ensureNatsServer({ env: bare, log, ways: [] })).toEqual({ ...first, from: "cache" });
    expect(await leftovers()).toEqual([]);
  });

  it("does not keep a fetched one that is too old", async () => {
    const fetched = ensureNatsServer({ env: bare, ways: [copyWay("2.10.0")] });
    await expect(fetched).rejects.toMatchObject({
      code: "NATS_SERVER_MISSING",
      message: expect.stringMatching(/older than 2\.14/),
    });
    expect(await readdir(join(root, "cache", "farcall", "nats-server"))).toEqual([]);
  });

  it("fetches once for many that ask at the same time", async () => {
    let fetches = 0;
    const way = copyWay("2.15.2", () => fetches++);
    const asked = Array.from({ length: 5 }, () => ensureNatsServer({ env: bare, ways: [way] }));
    const found = await Promise.all(asked);
    expect(new Set(found.map((server) => server.path)).size).toBe(1);
    expect(fetches).toBe(1);
  });

  it("lists the three ways to install it, and what was tried, in one error when all fail", async () => {
    const ways = [releaseWay(`http://127.0.0.1:${await freePort()}`), debianWay(), goWay()];
    const error = await ensureNatsServer({ env: bare, ways }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: "NATS_SERVER_MISSING" });
    expect((error as Error).message).toMatch(/1\. download the archive.*\n.*2\. on Debian.*\n.*3\. with Go/);
    expect((error as Error).message).toMatch(
      /ECONNREFUSED[\s\S]*apt-get and dpkg-deb are not installed[\s\S]*Go is not/,
    );
  });
});

describe("the release way", () => {
  it("takes an archive whose sum is the published one", async () => {
    await using site = await releaseSite("2.15.2");
    const env = { ...bare, PATH: process.env.PATH };
    const { path } = await ensureNatsServer({ env: withoutServer(env), ways: [releaseWay(site.url)], log });
    expect(path).toBe(join(root, "cache", "farcall", "nats-server", "2.15.2", "nats-server"));
    expect(await run(path, ["--version"], { timeoutMs: 5_000 })).toContain("2.15.2");
  });

  it("refuses an archive with another sum and keeps nothing of it", async () => {
    await using site = await releaseSite("2.15.2", { tamper: true });
    const refused = ensureNatsServer({ env: withoutServer(bare), ways: [releaseWay(site.url)] });
    await expect(refused).rejects.toMatchObject({
      code: "NATS_SERVER_MISSING",
      message: expect.stringMatching(/SHA-256 is .* published is/),
    });
    expect(await leftovers()).toEqual([]);
  });

  it("refuses when the sums do not name the archive", async () => {
    await using site = await releaseSite("2.15.2", { sums: "" });
    const refused = ensureNatsServer({ env: withoutServer(bare), ways: [releaseWay(site.url)] });
    await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(/SHA256SUMS does not name/) });
  });
});

const real = { ...process.env };
it.runIf(await findOnPath("go", real))("the Go way builds the pinned version", { timeout: 600_000 }, async () => {
  const env = withoutServer({ ...real, XDG_CACHE_HOME: join(root, "cache") });
  const server = await ensureNatsServer({ env, ways: [goWay()], log });
  expect(server).toMatchObject({ version: NATS_SERVER_VERSION, from: "go install" });
  expect(await leftovers()).toEqual([]);
});

const hasApt = existsSync("/usr/share/keyrings/debian-archive-keyring.gpg") && (await findOnPath("apt-get", real));
it.runIf(hasApt)("the Debian way unpacks sid's package without root", { timeout: 240_000 }, async () => {
  const env = withoutServer({ ...real, XDG_CACHE_HOME: join(root, "cache") });
  const server = await ensureNatsServer({ env, ways: [debianWay()], log });
  expect(server.from).toBe("Debian's package");
  expect(await run(server.path, ["--version"], { timeoutMs: 5_000 })).toContain(server.version);
  expect(await leftovers()).toEqual([]);
});

function withoutServer(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const path = (env.PATH ?? "").split(":").filter((directory) => !existsSync(join(directory, "nats-server")));
  return { ...env, PATH: `${path.join(":")}:/usr/bin:/bin`, FARCALL_NATS_SERVER: undefined };
}

async function fakeServer(path: string, version: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  await chmod(path, 0o755);
  return path;
}

function copyWay(version: string, onFetch = () => {}): FetchWay {
  const fetch: FetchWay["fetch"] = (directory) => {
    onFetch();
    return fakeServer(join(directory, "copy"), version);
  };
  return { name: "a copy", advice: "copy it", fetch };
}

/** What fetching left in the cache beside the versions. */
async function leftovers(): Promise<string[]> {
  const names = await readdir(join(root, "cache", "farcall", "nats-server"));
  return names.filter((name) => !/^\d/.test(name));
}

/** A local server with a release's files. */
async function releaseSite(version: string, options: { tamper?: boolean; sums?: string } = {}) {
  const machine = { x64: "amd64", arm64: "arm64" }[process.arch as string] ?? process.arch;
  const stem = `nats-server-v${version}-${process.platform}-${machine}`;
  await fakeServer(join(root, "release", stem, "nats-server"), version);
  const archive = join(root, "archive.tgz");
  await run("tar", ["-czf", archive, "-C", join(root, "release"), stem], { timeoutMs: 10_000 });
  const bytes = await readFile(archive);
  const sum = createHash("sha256").update(bytes).digest("hex");
  if (options.tamper) bytes[20] = (bytes[20] as number) ^ 1;
  const sums = options.sums ?? `${"0".repeat(64)}  other.tar.gz\n${sum}  ${stem}.tar.gz\n`;
  const server = createServer((request, response) => {
    if (request.url === `/v${version}/SHA256SUMS`) response.end(sums);
    else if (request.url === `/v${version}/${stem}.tar.gz`) response.end(bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}
