import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { uptimeMs } from "../../endpoint-agent/clock.ts";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInbound } from "../../endpoint-agent/inbound.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import { type Journal, openJournal } from "../../endpoint-agent/journal.ts";
import { createManagers } from "../../endpoint-agent/managers.ts";
import type { OutStart } from "../../endpoint-agent/outbox.ts";
import type { ResultEntry } from "../../protocol/batch.ts";
import { MANAGER_PROTOCOL, type ManagerToAgent } from "../../protocol/manager-frames.ts";
import { type RecordedLink, recordedLink, testEntries, testSpec, until } from "./support.ts";

type Hello = Extract<ManagerToAgent, { kind: "hello" }>;

const NONE = new Uint8Array(0);
const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

function hello(change: Partial<Hello> = {}): Hello {
  return {
    kind: "hello",
    protocol: MANAGER_PROTOCOL,
    secret: "right",
    block: "b1",
    node: 0,
    nonce: "n1",
    host: "here",
    bootId: "boot",
    pid: 1,
    startTime: "1",
    capacity: { cores: 2, memoryMb: 1_000, gpus: 0 },
    remainingMs: null,
    holds: [],
    ...change,
  };
}

async function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "farcall-managers-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
  const journal: Journal = await openJournal(join(dir, "journal"));
  cleanup.push(() => journal.close());
  const table = createTaskTable();
  const interchange = createInterchange(table);
  const out: { entry: ResultEntry; safe: (() => void) | undefined }[] = [];
  const starts: OutStart[] = [];
  const settled: string[] = [];
  const dead = new Set<string>();
  const outbox = {
    addResult: (entry: ResultEntry, _bytes: Uint8Array, safe?: () => void) => void out.push({ entry, safe }),
    addStart: (start: OutStart) => void starts.push(start),
  };
  const inbound = createInbound({ table, interchange, outbox: outbox as never, onEnded: () => {}, turn: () => {} });
  const managers = createManagers({
    table,
    interchange,
    journal,
    log: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never,
    workersPerNode: 2,
    secretOf: (block) => (block === "b1" ? "right" : undefined),
    deadlineAt: () => uptimeMs() + 5_000,
    provenDead: ({ nonce }) => dead.has(nonce),
    onFrame: (manager, frame, body) => void (frame.kind === "results" && inbound.results(manager, frame, body)),
    onChange: () => {},
    onSettled: (manager) => void settled.push(manager.hello.nonce),
    turn: () => interchange.pump(),
  });
  const connect = (said: Hello) => {
    const link = recordedLink();
    const handlers = managers.accept(link);
    handlers.frame(said, NONE);
    return {
      link,
      handlers,
      beat: () => handlers.frame({ kind: "beat", sentAt: 1, busy: 0, workers: 2, rssMb: 1 }, NONE),
    };
  };
  const connectReady = async (said: Hello = hello()) => {
    const before = interchange.managers.size;
    const connected = connect(said);
    await until("the manager may get work", () => interchange.managers.size > before);
    return connected;
  };
  return { table, interchange, managers, inbound, journal, out, starts, settled, dead, connect, connectReady };
}

function last(link: RecordedLink, kind: string) {
  return link.sent.map(({ frame }) => frame).findLast((frame) => frame.kind === kind);
}

describe("a manager that connects", () => {
  it("is refused with a wrong secret, for a block that is not wanted, and with another protocol", async () => {
    const { connect, interchange } = await setUp();
    for (const wrong of [{ secret: "wrong" }, { block: "b2" }, { protocol: MANAGER_PROTOCOL + 1 }]) {
      const { link } = connect(hello(wrong));
      expect(link.sent.map(({ frame }) => frame.kind)).toEqual(["refused"]);
    }
    expect(interchange.managers.size).toBe(0);
  });

  it("rule 22: is in the journal, on disk, before it gets a task", async () => {
    const { connect, interchange, journal } = await setUp();
    interchange.accept({ specs: [testSpec()], tasks: testEntries(1) }, NONE);
    const { link } = connect(hello());
    interchange.pump();
    expect(last(link, "tasks")).toBeUndefined();
    await until("it got its task", () => last(link, "tasks") !== undefined);
    expect(journal.state.managers.get("b1/0")).toMatchObject({ nonce: "n1", pid: 1, startTime: "1" });
  });

  it("rule 19: is told what remains of the agent's deadline, and no more", async () => {
    const { connectReady } = await setUp();
    const { link, beat } = await connectReady();
    beat();
    for (const kind of ["welcome", "beat-answer"]) {
      const { remainingDeadlineMs } = last(link, kind) as { remainingDeadlineMs: number };
      expect(remainingDeadlineMs).toBeGreaterThan(4_000);
      expect(remainingDeadlineMs).toBeLessThanOrEqual(5_000);
    }
  });

  it("A1: keeps the nodes of a command that went on over a restart, in whatever order their managers come", async () => {
    const { connectReady, managers, interchange, table } = await setUp();
    const id = testEntries(1)[0]?.id as string;
    const spread = { [id]: ["n1", "n2", "n3"] };
    await connectReady(hello({ nonce: "second", node: 1, host: "n2" }));
    await connectReady(hello({ nonce: "first", node: 0, host: "n1", holds: [[id, 1]], spread }));
    await connectReady(hello({ nonce: "third", node: 2, host: "n3" }));
    await connectReady(hello({ nonce: "fourth", node: 3, host: "n4" }));
    const free = () => managers.of("b1").map((manager) => [manager.hello.host, manager.free.cores > 0]);
    expect(Object.fromEntries(free())).toEqual({ n1: false, n2: false, n3: false, n4: true });
    interchange.ended(table.get(id) as never);
    expect(Object.fromEntries(free())).toEqual({ n1: true, n2: true, n3: true, n4: true });
    for (const manager of managers.of("b1")) expect(manager.free).toEqual(manager.capacity);
  });

  it("B6: fences the one that a second incarnation replaces", async () => {
    const { connectReady } = await setUp();
    const first = await connectReady();
    const second = await connectReady(hello({ nonce: "n2", pid: 2 }));
    expect(last(first.link, "stop")).toEqual({ kind: "stop" });
    expect(last(second.link, "welcome")).toBeDefined();
  });

  it("A1: after the agent's restart goes on with what it holds; what ended meanwhile is held until it is judged", async () => {
    const { connectReady, table, settled } = await setUp();
    const { link, handlers, beat } = await connectReady(hello({ holds: [["t1", 4]] }));
    expect(last(link, "welcome")).toMatchObject({ keep: [["t1", 4]] });
    const results = [{ id: "t0", lease: 2, outcome: "succeeded" as const, length: 0 }];
    handlers.frame({ kind: "results", message: 5, results, starts: [] }, NONE);
    expect(settled).toEqual([]);
    beat();
    expect(settled).toEqual(["n1"]);
    expect(table.leases(Number.POSITIVE_INFINITY)).toEqual([
      ["t1", 4],
      ["t0", 2],
    ]);
  });
});

describe("rule 18: a manager that is gone while its block goes on", () => {
  it("keeps its tasks until it is proven dead", async () => {
    const { connectReady, interchange, managers, dead } = await setUp();
    const { handlers } = await connectReady();
    const tasks = testEntries(2);
    interchange.accept({ specs: [testSpec()], tasks }, NONE);
    interchange.pump();
    handlers.closed();
    expect(managers.takeDead()).toEqual([]);
    dead.add("n1");
    const [found] = managers.takeDead();
    expect(found?.tasks.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
    expect(managers.takeDead()).toEqual([]);
    expect(interchange.managers.size).toBe(0);
  });
});

describe("a manager that connects again", () => {
  it("keeps what is still its own, and loses what was cancelled meanwhile", async () => {
    const { connectReady, connect, interchange, table } = await setUp();
    const { handlers } = await connectReady();
    const tasks = testEntries(2);
    interchange.accept({ specs: [testSpec()], tasks }, NONE);
    interchange.pump();
    handlers.closed();
    const [kept, dropped] = tasks as [(typeof tasks)[0], (typeof tasks)[0]];
    const gone = table.get(dropped.id);
    if (gone) {
      interchange.ended(gone);
      table.remove(gone);
      table.add({ ...gone, lease: 9, phase: "queued" });
    }
    const { link } = connect(hello({ holds: tasks.map(({ id, lease }) => [id, lease]) }));
    expect(last(link, "welcome")).toMatchObject({ keep: [[kept.id, 1]] });
  });

  it("rule 12: does not go on with what was cancelled while it was out of reach", async () => {
    const { connectReady, connect, interchange, table } = await setUp();
    const { handlers } = await connectReady();
    const tasks = testEntries(2);
    interchange.accept({ specs: [testSpec()], tasks }, NONE);
    interchange.pump();
    const [kept, dropped] = tasks.map(({ id }) => id) as [string, string];
    const manager = [...interchange.managers][0];
    handlers.closed();
    interchange.cancel([[dropped, 1]]);
    const { link } = connect(
      hello({
        holds: [
          [kept, 1],
          [dropped, 1],
        ],
      }),
    );
    expect(last(link, "welcome")).toMatchObject({ keep: [[kept, 1]] });
    expect([table.size, manager?.tasks.size]).toEqual([1, 1]);
  });

  it("gets again what was lost on its way, but only once its own word has come", async () => {
    const { connectReady, connect, interchange, out } = await setUp();
    const first = await connectReady();
    const tasks = testEntries(2);
    interchange.accept({ specs: [testSpec()], tasks }, NONE);
    interchange.pump();
    first.handlers.closed();
    const again = connect(hello());
    interchange.pump();
    expect(last(again.link, "tasks")).toBeUndefined();
    const results = [{ id: tasks[0]?.id as string, lease: 1, outcome: "succeeded" as const, length: 0 }];
    again.handlers.frame({ kind: "results", message: 1, results, starts: [] }, NONE);
    again.beat();
    interchange.pump();
    expect(out.map(({ entry }) => entry.id)).toEqual([tasks[0]?.id]);
    expect(last(again.link, "tasks")).toMatchObject({ tasks: [{ id: tasks[1]?.id }] });
  });

  it("rule 13: is told again what is safe, and its repeated results count once", async () => {
    const { connectReady, connect, interchange, inbound, out } = await setUp();
    const first = await connectReady();
    const tasks = testEntries(1);
    interchange.accept({ specs: [testSpec()], tasks }, NONE);
    interchange.pump();
    const results = [{ id: tasks[0]?.id as string, lease: 1, outcome: "succeeded" as const, length: 0 }];
    const message = { kind: "results", message: 1, results, starts: [] } as const;
    first.handlers.frame({ ...message, results: [...results], starts: [] }, NONE);
    inbound.sendReceipts();
    expect(last(first.link, "taken")).toBeUndefined();
    first.handlers.closed();
    const again = connect(hello());
    again.handlers.frame({ ...message, results: [...results], starts: [] }, NONE);
    expect(out).toHaveLength(1);
    out[0]?.safe?.();
    inbound.sendReceipts();
    expect(last(again.link, "taken")).toEqual({ kind: "taken", message: 1 });
  });

  it("rule 10: hears again that it may start what was committed while it was away", async () => {
    const { connectReady, connect, interchange, starts } = await setUp();
    const first = await connectReady();
    const tasks = testEntries(1);
    const id = tasks[0]?.id as string;
    interchange.accept({ specs: [testSpec({ delivery: "at-most-once" })], tasks }, NONE);
    interchange.pump();
    first.handlers.frame({ kind: "results", message: 1, results: [], starts: [{ id, lease: 1 }] }, NONE);
    expect(last(first.link, "start")).toBeUndefined();
    first.handlers.closed();
    starts[0]?.answered(true);
    const again = connect(hello({ holds: [[id, 1]] }));
    expect(last(again.link, "start")).toEqual({ kind: "start", id, lease: 1, go: true });
  });
});

describe("rule 10: at-most-once", () => {
  it("a start that is refused gives the task up", async () => {
    const { connectReady, interchange, starts, table } = await setUp();
    const { link, handlers } = await connectReady();
    const tasks = testEntries(1);
    const id = tasks[0]?.id as string;
    interchange.accept({ specs: [testSpec({ delivery: "at-most-once" })], tasks }, NONE);
    interchange.pump();
    handlers.frame({ kind: "results", message: 1, results: [], starts: [{ id, lease: 1 }] }, NONE);
    starts[0]?.answered(false);
    expect(last(link, "start")).toEqual({ kind: "start", id, lease: 1, go: false });
    expect(table.size).toBe(0);
  });
});
