import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type Journal, openJournal } from "../../endpoint-agent/journal.ts";
import { decodeJournal, encodeGroup, JOURNAL_HEAD } from "../../endpoint-agent/journal-codec.ts";
import type { JournalRecord } from "../../endpoint-agent/journal-state.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { newTaskId, whyNoTmpfs } from "./support.ts";

const dirs: string[] = [];
function freshPath(): string {
  const dir = mkdtempSync(join(tmpdir(), "farcall-journal-"));
  dirs.push(dir);
  return join(dir, "journal");
}
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function result(bytes: Uint8Array = new Uint8Array([1, 2, 3])): JournalRecord & { kind: "result" } {
  return { kind: "result", entry: { id: newTaskId(), lease: 1, outcome: "succeeded", length: bytes.length }, bytes };
}
function block(id: string): JournalRecord {
  return { kind: "block", id, job: `job-${id}`, submittedAt: 1, nodes: 1, walltimeMs: null };
}
function manager(of: string): JournalRecord {
  return { kind: "manager", block: of, node: 0, nonce: "n", host: "h", bootId: "b", pid: 1, startTime: "2" };
}

describe("rule 22: the journal holds managers, blocks and results", () => {
  it("says after a restart what was appended, and not what was ended", async () => {
    const path = freshPath();
    const [kept, taken] = [result(new Uint8Array(1_000).fill(7)), result()];
    let journal = await openJournal(path);
    await journal.append([{ kind: "epoch", epoch: 4 }, block("a"), block("b"), manager("a"), manager("b")]);
    await journal.append([kept, taken]);
    journal.note([{ kind: "result-taken", id: taken.entry.id, lease: 1 }]);
    journal.note([{ kind: "block-gone", id: "a" }]);
    await journal.close();
    journal = await openJournal(path);
    expect(journal.state.epoch).toBe(4);
    expect([...journal.state.blocks.keys()]).toEqual(["b"]);
    expect([...journal.state.managers.keys()]).toEqual(["b/0"]);
    expect([...journal.state.results.values()]).toEqual([{ entry: kept.entry, bytes: Buffer.alloc(1_000, 7) }]);
    await journal.close();
  });

  it("resolves an append only when a reader of the file finds it", async () => {
    const path = freshPath();
    const journal = await openJournal(path);
    const records = Array.from({ length: 50 }, () => result());
    await Promise.all(
      records.map(async (record) => {
        await journal.append([record]);
        const content = decodeJournal(readFileSync(path));
        expect(content.kind === "ok" && content.frames.some((frame) => sameId(frame.header, record))).toBe(true);
      }),
    );
    await journal.close();
  });

  it("stays small: what counts no more is left out when it grew", async () => {
    const path = freshPath();
    let journal = await openJournal(path);
    const kept = result();
    await journal.append([kept, block("a")]);
    for (let i = 0; i < 40; i++) {
      const big = result(new Uint8Array(250_000));
      await journal.append([big]);
      journal.note([{ kind: "result-taken", id: big.entry.id, lease: 1 }]);
    }
    await journal.append([block("b")]);
    expect(statSync(path).size).toBeLessThan(6_000_000);
    await journal.close();
    journal = await openJournal(path);
    expect([...journal.state.blocks.keys()]).toEqual(["a", "b"]);
    expect([...journal.state.results.values()].map(({ entry }) => entry)).toEqual([kept.entry]);
    await journal.close();
  });

  it("A6: is its that took it last: the one before cannot append any more, and what it had written is kept", async () => {
    const path = freshPath();
    const older = await openJournal(path);
    await older.append([{ kind: "epoch", epoch: 1 }, block("a")]);
    const newer = await openJournal(path);
    // Written after the newer one has read, and before it takes the journal.
    await older.append([block("b")]);
    await newer.append([{ kind: "epoch", epoch: 2 }]);
    expect([...newer.state.blocks.keys()]).toEqual(["a", "b"]);
    await expect(older.append([block("c")])).rejects.toThrow(/another agent has taken/);
    expect(older.trouble).toMatch(/another agent has taken/);
    await older.probe();
    expect(older.trouble).toMatch(/another agent has taken/);
    await newer.append([block("d")]);
    for (const journal of [older, newer]) await journal.close();
    const third = await openJournal(path);
    expect([...third.state.blocks.keys()]).toEqual(["a", "b", "d"]);
    expect(third.state.epoch).toBe(2);
    await third.close();
  });

  it("A2: passes over records of another version", async () => {
    const path = freshPath();
    const group = encodeGroup([
      encodeFrame({ kind: "from-the-future", answer: 42 }),
      encodeFrame({ kind: "epoch", epoch: 9 }),
    ]);
    writeFileSync(path, Buffer.concat([JOURNAL_HEAD, group]));
    const journal = await openJournal(path);
    expect(journal.state.epoch).toBe(9);
    await journal.close();
  });
});

describe("A8: a journal that is cut short or damaged", () => {
  const groups = fc.array(
    fc.array(fc.record({ n: fc.nat(1e6), bytes: fc.uint8Array({ maxLength: 60 }) }), { minLength: 1, maxLength: 4 }),
    { minLength: 1, maxLength: 6 },
  );
  const imageOf = (content: { n: number; bytes: Uint8Array }[][]) => {
    const parts = content.map((group) => encodeGroup(group.map(({ n, bytes }) => encodeFrame({ n }, [bytes]))));
    const ends: number[] = [JOURNAL_HEAD.length];
    for (const part of parts) ends.push((ends.at(-1) as number) + part.length);
    return { image: Buffer.concat([JOURNAL_HEAD, ...parts]), ends };
  };
  const read = (frames: { header: unknown }[]) => frames.map((frame) => (frame.header as { n: number }).n);

  it("cut anywhere, gives every whole group and nothing else", () => {
    fc.assert(
      fc.property(groups, fc.double({ min: 0, max: 1, noNaN: true }), (content, at) => {
        const { image, ends } = imageOf(content);
        const cut = Math.floor(at * image.length);
        const found = decodeJournal(image.subarray(0, cut));
        const whole = ends.filter((end) => end <= cut).length - 1;
        const expected = content.slice(0, Math.max(0, whole)).flat();
        expect(found).toMatchObject({ kind: "ok", goodBytes: whole < 0 ? 0 : ends[whole] });
        expect(found.kind === "ok" && read(found.frames)).toEqual(expected.map(({ n }) => n));
      }),
      { numRuns: 5_000 },
    );
  });

  it("with flipped bits, never gives anything that was not written, and refuses damage before the last group", () => {
    const flips = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7)), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(groups, flips, (content, bits) => {
        const { image, ends } = imageOf(content);
        const damaged = Buffer.from(image);
        for (const [at, bit] of bits) {
          const byte = Math.min(image.length - 1, Math.floor(at * image.length));
          damaged[byte] = (damaged[byte] as number) ^ (1 << bit);
        }
        const first = image.findIndex((byte, i) => byte !== damaged[i]);
        const found = decodeJournal(damaged);
        // Flips may have undone one another.
        if (first < 0) return;
        const group = ends.findIndex((end) => first < end);
        const lastIsWhole = image.subarray(ends.at(-2)).equals(damaged.subarray(ends.at(-2)));
        // A flip in its head may make it one of a newer format, which is refused as well.
        if (group === 0 || (group < ends.length - 1 && lastIsWhole)) expect(found.kind).not.toBe("ok");
        if (found.kind === "ok") {
          const written = content.flat().map(({ n }) => n);
          expect(read(found.frames)).toEqual(written.slice(0, read(found.frames).length));
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it("refuses to start on damage in its middle, says where and what to do, and changes nothing", async () => {
    const path = freshPath();
    const journal = await openJournal(path);
    await journal.append([block("a")]);
    const middle = statSync(path).size - 5;
    await journal.append([block("b")]);
    await journal.close();
    const bytes = readFileSync(path);
    bytes[middle] = (bytes[middle] as number) ^ 1;
    writeFileSync(path, bytes);
    await expect(openJournal(path)).rejects.toMatchObject({
      code: "JOURNAL_DAMAGED",
      message: expect.stringMatching(/damaged at byte \d+:.*mv .*journal/),
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it("goes on after a torn tail: what is appended then is found", async () => {
    const path = freshPath();
    let journal = await openJournal(path);
    await journal.append([block("a")]);
    await journal.append([block("b")]);
    await journal.close();
    writeFileSync(path, readFileSync(path).subarray(0, -3));
    journal = await openJournal(path);
    expect([...journal.state.blocks.keys()]).toEqual(["a"]);
    await journal.append([block("c")]);
    await journal.close();
    journal = await openJournal(path);
    expect([...journal.state.blocks.keys()]).toEqual(["a", "c"]);
    await journal.close();
  });
});

const noTmpfs = whyNoTmpfs();
describe.skipIf(noTmpfs)(`A8: on a full disk${noTmpfs ? ` (skipped: ${noTmpfs})` : ""}`, () => {
  let mount = "";
  let journal: Journal | undefined;
  afterEach(async () => {
    await journal?.close().catch(() => {});
    execFileSync("umount", [mount]);
  });

  it("rejects what it cannot write, says so, and works again when there is room, all whole", async () => {
    mount = mkdtempSync(join(tmpdir(), "farcall-full-"));
    dirs.push(mount);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
    const path = join(mount, "journal");
    journal = await openJournal(path);
    await journal.append([block("before")]);
    writeFileSync(join(mount, "ballast"), Buffer.alloc(512 * 1024));
    const big = result(new Uint8Array(700_000));
    await expect(journal.append([big])).rejects.toThrow(/ENOSPC/);
    expect(journal.trouble).toMatch(/ENOSPC/);
    expect(journal.state.results.size).toBe(0);
    // A small record finds room, but says nothing about the next large one.
    await journal.append([block("small")]);
    expect(journal.trouble).toMatch(/ENOSPC/);
    await journal.probe();
    expect(journal.trouble).toMatch(/ENOSPC/);
    rmSync(join(mount, "ballast"));
    await journal.probe();
    expect(journal.trouble).toBeUndefined();
    await journal.append([big, block("after")]);
    expect(journal.trouble).toBeUndefined();
    await journal.close();
    journal = await openJournal(path);
    expect([...journal.state.blocks.keys()]).toEqual(["before", "small", "after"]);
    expect(journal.state.results.size).toBe(1);
  });
});

function sameId(header: unknown, record: { entry: { id: string } }): boolean {
  return (header as { entry?: { id: string } }).entry?.id === record.entry.id;
}
