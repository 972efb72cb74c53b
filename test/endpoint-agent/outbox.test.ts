import { describe, expect, it } from "vitest";
import { createOutbox, type Outbox, type OutResult } from "../../endpoint-agent/outbox.ts";
import { createReceipts } from "../../endpoint-agent/receipts.ts";
import type { ResultEntry, ResultsHeader } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { ResultsAnswer } from "../../protocol/messages.ts";
import { newTaskId, until } from "./support.ts";

const OK: ResultsAnswer = { ok: true, superseded: 0 };

/** A gateway whose answers the test gives, and a journal that it can fill. */
function setUp() {
  const asked: { header: ResultsHeader; chunks: Uint8Array[]; answer(answer: ResultsAnswer): void; fail(): void }[] =
    [];
  const journaled: string[] = [];
  const forgotten: string[] = [];
  const committed: string[] = [];
  const disk = { full: false };
  const outbox = createOutbox({
    epoch: 3,
    send: (header, chunks) =>
      new Promise((resolve, reject) => {
        asked.push({ header, chunks, answer: resolve, fail: () => reject(new Error("no answer")) });
      }),
    async journal(results) {
      if (disk.full) throw new Error("ENOSPC");
      journaled.push(...results.map(idOf));
    },
    forget: (results) => void forgotten.push(...results.map(idOf)),
    onCommitted: (results) => void committed.push(...results.map(idOf)),
    onRefused: () => {},
  });
  return { outbox, asked, journaled, forgotten, committed, disk };
}

function idOf({ entry }: OutResult): string {
  return entry.id;
}
function entryOf(length = 0): ResultEntry {
  return { id: newTaskId(), lease: 1, outcome: "succeeded", length };
}
function add(outbox: Outbox, options: { length?: number; safe?: () => void } = {}): string {
  const entry = entryOf(options.length);
  outbox.addResult(entry, new Uint8Array(options.length ?? 0), options.safe);
  return entry.id;
}

describe("rule 13: a result is kept until the gateway has committed it", () => {
  it("is sent at once, is safe at the commit, and then never touches the journal", async () => {
    const { outbox, asked, journaled, committed } = setUp();
    let safe = false;
    const id = add(outbox, { safe: () => (safe = true) });
    outbox.flush();
    expect(asked[0]?.header).toMatchObject({ epoch: 3, results: [{ id }] });
    expect(safe).toBe(false);
    asked[0]?.answer(OK);
    await until("it is committed", () => committed.includes(id));
    expect(safe).toBe(true);
    expect(outbox.size).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(journaled).toEqual([]);
    outbox.stop();
  });

  it("goes to the journal when the gateway is slow, is safe there, and leaves it after the commit", async () => {
    const { outbox, asked, journaled, forgotten } = setUp();
    let safe = false;
    const id = add(outbox, { safe: () => (safe = true) });
    outbox.flush();
    await until("it is journaled", () => safe);
    expect(journaled).toEqual([id]);
    expect(forgotten).toEqual([]);
    asked[0]?.answer(OK);
    await until("it is forgotten", () => forgotten.includes(id));
    outbox.stop();
  });

  it("A8: stays with its manager while the disk is full, and is still sent", async () => {
    const { outbox, asked, disk } = setUp();
    disk.full = true;
    let safe = false;
    add(outbox, { safe: () => (safe = true) });
    outbox.flush();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(safe).toBe(false);
    asked[0]?.answer(OK);
    await until("it is safe by the commit", () => safe);
    outbox.stop();
  });

  it("N9: is sent again, the same, when there is no answer; nothing is lost and nothing is said twice as committed", async () => {
    const { outbox, asked, committed } = setUp();
    const ids = [add(outbox), add(outbox)];
    outbox.flush();
    asked[0]?.fail();
    await until("it is sent again", () => asked.length > 1);
    expect(asked[1]?.header.results.map(({ id }) => id)).toEqual(ids);
    asked[1]?.answer(OK);
    await until("they are committed", () => committed.length === 2);
    expect(outbox.size).toBe(0);
    outbox.stop();
  });

  it("N1: does not wait for answers that a lost connection took with it", async () => {
    const { outbox, asked, committed } = setUp();
    const id = add(outbox);
    outbox.flush();
    outbox.retry();
    await until("it is sent again", () => asked.length > 1);
    asked[0]?.answer(OK);
    asked[1]?.answer(OK);
    await until("it is committed", () => committed.length > 0);
    expect(committed).toEqual([id]);
    outbox.stop();
  });

  it("sends what gathers meanwhile in few messages, at most four under way, of at most 512 KB", async () => {
    const { outbox, asked } = setUp();
    add(outbox);
    outbox.flush();
    for (let i = 0; i < 20; i++) add(outbox, { length: 200_000 });
    outbox.flush();
    // A small rest waits for the message under way.
    expect(asked).toHaveLength(1);
    for (let i = 0; i < 3_000; i++) add(outbox);
    outbox.flush();
    expect(asked).toHaveLength(4);
    for (const { chunks } of asked) {
      expect(chunks.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThanOrEqual(512 * 1024);
    }
    outbox.stop();
  });

  it("G9: one result that the gateway refuses does not hold up the others, and ends as a failure", async () => {
    const { outbox, asked, committed } = setUp();
    const ids = [add(outbox), add(outbox), add(outbox)];
    const bad = ids[1] as string;
    outbox.flush();
    let answered = 0;
    await until("all are committed", () => {
      for (; answered < asked.length; answered++) {
        const { header, answer } = asked[answered] as (typeof asked)[number];
        const refused = header.results.some((entry) => entry.id === bad && entry.outcome === "succeeded");
        answer(refused ? { ok: false, error: new ApiError("BAD_REQUEST", "no").toJSON() } : OK);
      }
      return committed.length === 3;
    });
    const last = asked.flatMap(({ header }) => header.results).findLast(({ id }) => id === bad);
    expect(last).toMatchObject({ outcome: "failed", failure: { code: "INTERNAL" } });
    outbox.stop();
  });
});

describe("rule 10: a start is answered only after its commit", () => {
  it("says go for what was committed, and no to what was refused", async () => {
    const { outbox, asked } = setUp();
    const answers: Record<string, boolean> = {};
    for (const name of ["first", "second"]) {
      outbox.addStart({ entry: { id: newTaskId(), lease: 1 }, answered: (go) => (answers[name] = go) });
    }
    outbox.flush();
    expect(asked[0]?.header.starts).toHaveLength(2);
    expect(answers).toEqual({});
    asked[0]?.answer({ ...OK, refusedStarts: [1] });
    await until("they are answered", () => Object.keys(answers).length === 2);
    expect(answers).toEqual({ first: true, second: false });
    outbox.stop();
  });

  it("does not wait behind results that are under way", () => {
    const { outbox, asked } = setUp();
    add(outbox);
    outbox.flush();
    outbox.addStart({ entry: { id: newTaskId(), lease: 1 }, answered: () => {} });
    outbox.flush();
    expect(asked).toHaveLength(2);
    outbox.stop();
  });
});

describe("receipts of a manager's messages", () => {
  it("rise in order, once all results up to a message are safe", () => {
    const receipts = createReceipts();
    const [first, second] = [receipts.open(1, 2), receipts.open(2, 1)];
    if (!first || !second) throw new Error("new messages have receipts");
    receipts.settle(second);
    expect(receipts.next()).toBeUndefined();
    receipts.settle(first);
    receipts.settle(first);
    expect(receipts.next()).toBe(2);
    expect(receipts.next()).toBeUndefined();
    expect(receipts.current()).toBe(2);
  });

  it("are given once for a message that comes again over a new connection", () => {
    const receipts = createReceipts();
    expect(receipts.open(1, 1)).toBeDefined();
    expect(receipts.open(1, 1)).toBeUndefined();
  });
});
