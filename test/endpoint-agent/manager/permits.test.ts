/** The pipe of permits, also where file systems know nothing of a file whose name is gone: FUSE, file servers. */
import { closeSync, fstatSync, mkdirSync, mkdtempSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPermits, type Permits } from "../../../endpoint-agent/manager/permits.ts";
import { Farcall } from "../../../sdk/index.ts";
import { startStack } from "../../support/stack.ts";
import { mountStalling, whyNoStall } from "../../support/stalling-directory.ts";

let root: string;
let local: string;
let worker: string;
const cleanup: (() => Promise<unknown> | unknown)[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "farcall-pipes-"));
  cleanup.push(() => rmSync(root, { recursive: true, force: true }));
  local = join(root, "local");
  worker = join(root, "worker");
  for (const dir of [local, worker]) mkdirSync(dir);
});
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

function expectPermitsPass(permits: Permits): void {
  expect(fstatSync(permits.childFd).isFIFO()).toBe(true);
  expect(permits.grant([7, 8])).toBe(true);
  const first = Buffer.alloc(4);
  expect(readSync(permits.childFd, first)).toBe(4);
  expect([first.readUInt32BE(0), ...permits.takeBack()]).toEqual([7, 8]);
  permits.passed();
  permits.close();
}

describe("the pipe of permits", () => {
  it("is made on a disk of the node and leaves no name anywhere", () => {
    expectPermitsPass(createPermits(worker, [join(root, "missing"), local]));
    expect([readdirSync(local), readdirSync(worker)]).toEqual([[], []]);
  });

  it("is made in the worker's directory, for its user alone, where the node has no place for it", () => {
    const permits = createPermits(worker, [join(root, "missing")]);
    expect(statSync(join(worker, "permits")).mode & 0o777).toBe(0o600);
    expectPermitsPass(permits);
  });
});

const why = whyNoStall();
describe.skipIf(why)(`on a file system like that${why ? ` (skipped: ${why})` : ""}`, () => {
  const mounted = async (name: string) => {
    const { unmount } = await mountStalling(join(root, name));
    cleanup.push(unmount);
    return join(root, name);
  };

  it("the pipe is made elsewhere, and keeps its name where there is nowhere else", async () => {
    const shared = await mounted("shared");
    expectPermitsPass(createPermits(worker, [shared, local]));
    expect([readdirSync(shared), readdirSync(local), readdirSync(worker)]).toEqual([[], [], []]);
    expectPermitsPass(createPermits(await mounted("also-shared"), [shared]));
    expect(readdirSync(shared)).toEqual([]);
  });

  it("workers start whose endpoint's directory is there", async () => {
    const dir = join(root, "stack");
    await mounted("stack/endpoints");
    const stack = await startStack({ dir, endpoints: [{ name: "laptop" }] });
    cleanup.push(stack.stop);
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(() => farcall.close());
    const twice = farcall.function((x: number) => x * 2, { name: "twice" });
    expect(await twice(21)).toBe(42);
  });
});

it("both ends are closed at the end", () => {
  const permits = createPermits(worker, [local]);
  permits.close();
  closeSync(permits.childFd);
  expect(permits.takeBack()).toEqual([]);
});
