/** Submits batch after batch to the store in argument 1, and prints the ids of each once it is acknowledged, until it is killed. */
import { writeSync } from "node:fs";
import { openSqliteStore } from "../../../../gateway/store/sqlite/open.ts";
import { newId } from "../../../../protocol/ids.ts";
import { FUNCTION, HELLO, putFunction } from "../conformance/world.ts";

const roomy = { tasks: 1e6, bytes: 1e12 };
const limits = { perOwner: roomy, perEndpoint: roomy, retentionMs: 86_400_000, minFreeBytes: 0 };
const file = process.argv[2] as string;
const store = await openSqliteStore({ file, durability: "disk", limits, ballastBytes: 0 });
const endpoint = newId();
await store.putEndpoint({ id: endpoint, name: "laptop", owner: "me", description: "" });
await putFunction(store, "me", FUNCTION);
const { epoch } = await store.startEpoch(endpoint, HELLO, { previousAnswers: false });
await store.openPull(endpoint, epoch, 1);
const pulls = [{ endpoint, epoch, pull: 1, room: { "1c0m0g": { tasks: 10, bytes: 1e6 } } }];
// A line goes straight to the pipe: what the parent has read was acknowledged.
const say = (what: string, ids: string[]) => writeSync(1, `${what} ${ids.join(" ")}\n`);
for (;;) {
  const tasks = Array.from({ length: 20 }, () => ({ id: newId(), length: 3 }));
  const header = { specs: [{ function: FUNCTION, endpoint }], tasks };
  const { handouts } = await store.submit({ owner: "me", header, body: new Uint8Array(60), pulls });
  say(
    "submitted",
    tasks.map(({ id }) => id),
  );
  const leased = handouts.flatMap((handout) => handout.tasks);
  const results = leased.map(({ id, lease }) => ({ id, lease, outcome: "succeeded" as const, length: 0 }));
  await store.report({ endpoint, epoch, results, starts: [], body: new Uint8Array(0), pulls: [] });
  say(
    "finished",
    leased.map(({ id }) => id),
  );
}
