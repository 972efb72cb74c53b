/**
 * Runs on a small file system of its own (argument 1, mounted by the test): fills it up under a store in one of two ways and
 * prints, as one line of JSON, how each kind of call was answered before, while and after it was full.
 */
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openSqliteStore } from "../../../../gateway/store/sqlite/open.ts";
import type { ApiError } from "../../../../protocol/errors.ts";
import { newId } from "../../../../protocol/ids.ts";
import { FUNCTION, HELLO, putFunction } from "../conformance/world.ts";

const MB = 1024 * 1024;
const [dir, how] = process.argv.slice(2) as [string, "nearly" | "quite"];
const file = join(dir, "farcall.db");
const filler = join(dir, "filler");
const roomy = { tasks: 1e6, bytes: 1e12 };
const limits = {
  perOwner: roomy,
  perEndpoint: roomy,
  retentionMs: 86_400_000,
  minFreeBytes: how === "nearly" ? 12 * MB : 0,
};
const store = await openSqliteStore({ file, durability: "disk", limits, ballastBytes: 4 * MB });

const endpoint = newId();
await store.putEndpoint({ id: endpoint, name: "laptop", owner: "me", description: "" });
await putFunction(store, "me", FUNCTION);
const { epoch } = await store.startEpoch(endpoint, HELLO, { previousAnswers: false });
await store.openPull(endpoint, epoch, 1);

async function submit(count: number, bytes = 100): Promise<string[]> {
  const tasks = Array.from({ length: count }, () => ({ id: newId(), length: bytes }));
  const header = { specs: [{ function: FUNCTION, endpoint }], tasks };
  const pulls = [{ endpoint, epoch, pull: 1, room: { "1c0m0g": { tasks: count, bytes: 1e9 } } }];
  await store.submit({ owner: "me", header, body: new Uint8Array(count * bytes), pulls });
  return tasks.map(({ id }) => id);
}

async function report(ids: string[]): Promise<number> {
  const results = ids.map((id) => ({ id, lease: 1, outcome: "succeeded" as const, length: 2000 }));
  const body = new Uint8Array(ids.length * 2000);
  return (await store.report({ endpoint, epoch, results, starts: [], body, pulls: [] })).superseded;
}

const outcome = (call: Promise<unknown>) =>
  call.then(
    () => "ok",
    (error: ApiError) => error.code,
  );
const ballast = () => statSync(`${file}.ballast`, { throwIfNoEntry: false })?.size ?? 0;

/** Writes until the disk has this much left. */
async function fill(leave: number): Promise<void> {
  const { freeBytes } = await fresh();
  writeFileSync(filler, Buffer.alloc(Math.max(0, freeBytes - leave)));
}

/** Facts that are not older than now: the store looks at the disk once a second. */
async function fresh() {
  await sleep(1100);
  return store.stats();
}

const ids = await submit(400);
const before = { ballast: ballast(), full: (await store.stats()).full };
await fill(how === "nearly" ? 6 * MB : 0);
let submits = "ok";
// On a disk without any room the first submits may still fit in the WAL's own space.
for (let i = 0; i < 200 && submits === "ok"; i++) {
  if (how === "nearly") await fresh();
  submits = await outcome(submit(50, 5000));
}
const during = {
  submits,
  again: await outcome(submit(1)),
  report: await outcome(report(ids.slice(0, 200))),
  cancel: await outcome(store.cancel({ owner: "me", ids: ids.slice(200, 300) })),
  read: (await store.getTask(ids[0] as string, "me"))?.state,
  ballast: ballast(),
  full: (await store.stats()).full,
};
rmSync(filler);
await fresh();
const after = { submits: await outcome(submit(10)), report: await outcome(report(ids.slice(300))), ballast: ballast() };
const { byState } = await store.stats();
await store.close();
console.log(JSON.stringify({ before, during, after, succeeded: byState.succeeded, cancelled: byState.cancelled }));
