/** Promise 8: every waiting task can say why it waits. */
import { describe, expect, it } from "vitest";
import type { AgentStatus } from "../../gateway/ports.ts";
import { explainQueued, withExcluded } from "../../gateway/use-cases/explain-wait.ts";
import { createEndpoint, registerFunction, startTestGateway } from "./support/gateway.ts";
import { openSite } from "./support/site.ts";

type Summary = NonNullable<AgentStatus["summary"]>;
const NOW = 10_000_000;
const block = { id: "b1", job: "4711", state: "running", reason: null, since: 0, nodes: 1, slots: 4, busy: 4 };
const summary: Summary = {
  state: "running",
  slots: 4,
  busy: 4,
  blocks: [block],
  maxBlocks: 1,
  trouble: null,
  version: "1",
  host: "h",
  rssMb: 50,
};
const row = { name: "lap", epoch: 1, draining: false };
const spec = { function: "f" };

it("B15: says which nodes are left out, of what waits for blocks", () => {
  const excludedNodes = ["n1", "n2", "n3"].map((node) => ({ node, reason: "exit code 127" }));
  const wait = { reason: "block-pending", message: "block b1 is pending" };
  expect(withExcluded(wait, { ...summary, excludedNodes }).message).toBe(
    "block b1 is pending; left out, as managers fail there: node n1 (exit code 127) and 2 more",
  );
  expect(withExcluded(wait, summary)).toBe(wait);
  const other = { reason: "endpoint-offline", message: "x" };
  expect(withExcluded(other, { ...summary, excludedNodes })).toBe(other);
});

it("NODE_FAIL: a block that the scheduler has lost takes no place", () => {
  const say = {
    slots: 0,
    busy: 0,
    blocks: [
      { ...block, state: "lost", slots: 0 },
      { ...block, id: "b2", state: "draining", slots: 0 },
    ],
  };
  expect(reasonOf({ say: { ...say, maxBlocks: 2 } }).reason).toBe("block-starting");
  expect(reasonOf({ say: { ...say, maxBlocks: 1 } }).message).toMatch(/until block b2 has ended/);
});

function reasonOf(
  status: Partial<AgentStatus> & { say?: Partial<Summary> },
  more: { row?: object; spec?: object } = {},
) {
  return explainQueued({
    view: { spec: { ...spec, ...more.spec } },
    row: { ...row, ...more.row },
    status: {
      online: true,
      lastSeenAt: 1000,
      ...status,
      summary: status.say === undefined ? summary : { ...summary, ...status.say },
    },
    ahead: "3 tasks were queued there before it",
    now: NOW,
  });
}

describe("a queued task waits because", () => {
  const cases: [string, ReturnType<typeof reasonOf>, string, RegExp][] = [
    [
      "its endpoint was never started",
      reasonOf({ online: false }, { row: { epoch: 0 } }),
      "endpoint-never-started",
      /lap/,
    ],
    [
      "its endpoint is offline",
      reasonOf({ online: false }),
      "endpoint-offline",
      /last seen 2 h 46 min ago, at 1970-01-01T00:00:01/,
    ],
    ["its endpoint drains", reasonOf({}, { row: { draining: true } }), "endpoint-draining", /lap/],
    ["its agent drains by itself", reasonOf({ say: { state: "draining" } }), "endpoint-draining", /lap/],
    [
      "blocks cannot be had",
      reasonOf({ say: { trouble: "sbatch: Invalid account" } }),
      "endpoint-trouble",
      /Invalid account/,
    ],
    [
      "the first submission has failed, long before the circuit opens",
      reasonOf({
        say: { slots: 0, blocks: [], failing: { failures: 1, reason: "Invalid qos", nextTryAt: NOW + 25_000 } },
      }),
      "endpoint-trouble",
      /the last block failed: Invalid qos; the next try is in 25 s/,
    ],
    [
      "blocks fail, while others work",
      reasonOf({ say: { maxBlocks: 3, failing: { failures: 2, reason: "Invalid qos", nextTryAt: null } } }),
      "queued",
      /3 tasks/,
    ],
    [
      "the scheduler holds its block",
      reasonOf({
        say: {
          slots: 0,
          busy: 0,
          blocks: [
            { ...block, state: "pending", job: "4712", reason: "None", since: NOW, slots: 0, busy: 0 },
            { ...block, state: "pending", reason: "QOSMaxJobsPerUser", since: NOW - 240_000, slots: 0, busy: 0 },
          ],
        },
      }),
      "block-pending",
      /job 4711\) is pending for 4 min: QOSMaxJobsPerUser/,
    ],
    [
      "no block is big enough",
      reasonOf({}, { spec: { resources: { cores: 16, memoryMb: 0, gpus: 0 } } }),
      "no-slot-big-enough",
      /fits no block: it asks for 16 cores on one node; the largest node of lap has 4/,
    ],
    ["maxBlocks is reached", reasonOf({}), "max-blocks", /4 slots are busy and maxBlocks \(1\).*3 tasks/],
    ["others are before it", reasonOf({ say: { maxBlocks: 3 } }), "queued", /3 tasks/],
    [
      "no block may be asked for",
      reasonOf({ say: { slots: 0, busy: 0, blocks: [], maxBlocks: 0 } }),
      "no-blocks-allowed",
      /maxBlocks/,
    ],
    [
      "a block is about to be asked for",
      reasonOf({ say: { slots: 0, busy: 0, blocks: [] } }),
      "block-starting",
      /about to ask/,
    ],
    [
      "the only block that is allowed ends",
      reasonOf({ say: { slots: 0, busy: 0, blocks: [{ ...block, state: "draining", slots: 0, busy: 0 }] } }),
      "max-blocks",
      /maxBlocks \(1\) is reached until block .* has ended/,
    ],
  ];
  for (const [what, wait, reason, words] of cases) {
    it(what, () => {
      expect(wait.reason).toBe(reason);
      expect(wait.message).toMatch(words);
    });
  }
});

describe("a task's detail", () => {
  it("says why it waits while it waits, and nothing once it has ended", async () => {
    await using gateway = await startTestGateway();
    const fn = await registerFunction(gateway);
    const endpoint = await createEndpoint(gateway, "lap");
    const submit = async (more: object) =>
      (
        await gateway.json<{ ids: string[] }>("POST", "/v1/tasks", {
          body: { specs: [{ function: fn, ...more }], tasks: [{}] },
        })
      ).ids[0] as string;
    const waits = async (id: string) =>
      (await gateway.json<{ waits: { reason: string; message: string } | null }>("GET", `/v1/tasks/${id}`)).waits;
    const id = await submit({ retries: 1, retryDelayMs: 60_000 });
    expect(await waits(id)).toMatchObject({ reason: "endpoint-never-started" });
    const site = await openSite(gateway, endpoint.id);
    expect(await waits(id)).toMatchObject({ reason: "endpoint-offline" });
    const [leased] = await site.take();
    expect(await waits(id)).toMatchObject({ reason: "handed-out" });
    const failure = { code: "USER_ERROR" as const, message: "no" };
    await site.report([{ id, lease: leased?.lease as number, outcome: "failed", failure, started: true }]);
    expect(await waits(id)).toMatchObject({
      reason: "retry",
      message: expect.stringMatching(/attempt 1 failed.*20\d\d-/),
    });
    await gateway.json("POST", `/v1/tasks/${id}/cancel`);
    expect(await waits(id)).toBeNull();
  });
});
