/** FAULTS.md A2: what released versions wrote (test/fixtures/releases, recorded by record.ts there) is read by this one. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createControl } from "../../endpoint-agent/control.ts";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { openJournal } from "../../endpoint-agent/journal.ts";
import { decodeJournal, encodeGroup, JOURNAL_HEAD } from "../../endpoint-agent/journal-codec.ts";
import { createPull } from "../../endpoint-agent/pull.ts";
import { checkResults } from "../../gateway/dispatch/results-check.ts";
import type { LeaseHeader, ResultEntry } from "../../protocol/batch.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../protocol/frame.ts";
import { type Control, Credit, Heartbeat, Hello, Pull } from "../../protocol/messages.ts";
import { Farcall } from "../../sdk/index.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";
import { framesOf, RELEASES, widened } from "./recorded-frames.ts";
import { setUpManagers } from "./recorded-managers.ts";

const versions = readdirSync(RELEASES).filter((name) => name.startsWith("v"));
const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

function freshDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "farcall-release-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}
/** As recorded, and as a newer version of it. */
const bothOf = (frames: Frame[]): Frame[] =>
  frames.flatMap((frame) => [frame, { ...frame, header: widened(frame.header) }]);

describe.each(versions)("A2: what %s wrote", (version) => {
  it("A2: its journal is read whole, also after it was written anew", async () => {
    const path = join(freshDir(), "journal");
    copyFileSync(join(RELEASES, version, "journal"), path);
    const expected = JSON.parse(readFileSync(join(RELEASES, version, "results.json"), "utf8")) as (ResultEntry & {
      bytes: number;
    })[];
    for (const epoch of [7, 8]) {
      const journal = await openJournal(path);
      expect(journal.state.epoch).toBeGreaterThan(0);
      expect(journal.state.blocks.size).toBe(1);
      expect([...journal.state.managers.values()]).toMatchObject([{ host: "node-1", node: 0 }]);
      const results = [...journal.state.results.values()].map(({ entry, bytes }) => ({
        ...entry,
        bytes: bytes.length,
      }));
      expect(results).toEqual(expected);
      expect(journal.state.foreign).toEqual([]);
      await journal.append([{ kind: "epoch", epoch }]);
      await journal.close();
    }
  });

  it("A2: an agent takes its journal over: the results are sent and leave it, and new work is done", {
    timeout: 60_000,
  }, async () => {
    const dir = freshDir();
    const state = join(dir, "endpoints", "laptop", "state");
    mkdirSync(state, { recursive: true, mode: 0o700 });
    copyFileSync(join(RELEASES, version, "journal"), join(state, "journal"));
    const stack = await startStack({ dir, endpoints: [{ name: "laptop", config: { orphanTimeoutMs: 5_000 } }] });
    cleanup.push(() => stack.stop());
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(() => farcall.close());
    expect(await farcall.function((x: number) => x + 1, { name: "next" })(1)).toBe(2);
    const taken = () => {
      const content = decodeJournal(readFileSync(join(state, "journal")));
      const frames = content.kind === "ok" ? content.frames : [];
      return frames.filter(({ header }) => (header as { kind: string }).kind === "result-taken").length;
    };
    await waitFor(() => taken() >= 2, { what: "the end of its results in the journal" });
  });

  it("A2: a gateway takes its agent's messages, and those with fields that it does not know", () => {
    const schemas = { hello: Hello, state: Heartbeat, pull: Pull, credit: Credit };
    for (const [subject, schema] of Object.entries(schemas)) {
      const frames = bothOf(framesOf(version, `nats agent ep.${subject}`));
      expect(frames.length, subject).toBeGreaterThan(0);
      for (const { header } of frames) expect(schema.safeParse(header).error, subject).toBeUndefined();
    }
    const results = bothOf(framesOf(version, "nats agent ep.results"));
    expect(results.length).toBeGreaterThan(0);
    for (const { header, body } of results) expect(() => checkResults(header, body.length)).not.toThrow();
    const [beat] = framesOf(version, "nats agent ep.state");
    const newer = beat?.header as Heartbeat;
    const paused = { ...newer, summary: { ...newer.summary, state: "paused" } };
    expect(Heartbeat.safeParse(paused).error, "a word that is only shown").toBeUndefined();
  });

  it("A2: an agent takes its gateway's messages, those with more fields, and passes over unknown kinds", () => {
    const arrived: LeaseHeader[] = [];
    const cancelled: unknown[] = [];
    const work = framesOf(version, "nats gateway work");
    const { epoch } = (work[0] as Frame).header as LeaseHeader;
    const pull = createPull({
      epoch,
      publish: { pull: () => {}, credit: () => {} },
      roomOf: () => ({ tasks: 10, bytes: 1_000_000 }),
      countUpTo: () => 8,
      onTasks: (header) => void arrived.push(header),
      onWaiting: () => {},
      onSuperseded: () => {},
    });
    cleanup.push(() => pull.stop());
    for (let i = 0; i < 3; i++) pull.open();
    for (const { header, body } of bothOf(work)) pull.receive(header as LeaseHeader, body);
    pull.receive({ kind: "from-the-future", epoch, pull: 1 } as never, new Uint8Array(0));
    const batches = work.filter(({ header }) => (header as LeaseHeader).kind === "tasks");
    expect(arrived.map(({ batch }) => batch)).toEqual(batches.map(({ header }) => (header as LeaseHeader).batch));
    const control = createControl({
      epoch,
      table: createTaskTable(),
      cancel: (leases) => void cancelled.push(leases),
      deny: () => [],
      drain: () => {},
      pull: () => {},
    });
    const asked = bothOf(framesOf(version, "nats gateway ep.ctl"));
    for (const { header } of asked) expect(decodeFrame(control(header)).header).toMatchObject({ ok: true });
    expect(cancelled.length).toBe(asked.filter(({ header }) => (header as Control).kind === "cancel").length);
    expect(decodeFrame(control({ kind: "from-the-future", epoch })).header).toMatchObject({ ok: false });
  });

  it.each(["link manager", "link python manager"])(
    "A2: an agent takes its managers' frames (%s), those with more fields, and passes over unknown kinds",
    async (channel) => {
      const recorded = framesOf(version, channel);
      for (const frames of [recorded, recorded.map(({ header, body }) => ({ header: widened(header), body }))]) {
        const { link, seen, handlers } = await setUpManagers(freshDir(), recorded[0]?.header as never);
        for (const { header, body } of frames) handlers.frame(header as never, body);
        handlers.frame({ kind: "from-the-future" } as never, new Uint8Array(0));
        expect(link.sent[0]?.frame.kind).toBe("welcome");
        expect(link.sent.filter(({ frame }) => frame.kind === "refused")).toEqual([]);
        const others = recorded
          .map(({ header }) => (header as { kind: string }).kind)
          .filter((kind) => !["hello", "beat"].includes(kind));
        expect(seen).toEqual([...others, "from-the-future"]);
      }
    },
  );
});

describe("A2: what a newer version wrote", () => {
  it("A2: fields and records that are not known stay in the journal for its return", async () => {
    const path = join(freshDir(), "journal");
    const block = { kind: "block", id: "a", job: "j", submittedAt: 1, nodes: 1, walltimeMs: null, colour: "red" };
    const frames = [encodeFrame(block), encodeFrame({ kind: "from-the-future", answer: 42 }, [Buffer.from("bytes")])];
    writeFileSync(path, Buffer.concat([JOURNAL_HEAD, encodeGroup(frames)]));
    const journal = await openJournal(path);
    await journal.append([{ kind: "epoch", epoch: 3 }]);
    await journal.close();
    const content = decodeJournal(readFileSync(path));
    const found = content.kind === "ok" ? content.frames : [];
    expect(found.map(({ header }) => header)).toEqual(
      expect.arrayContaining([block, { kind: "from-the-future", answer: 42 }]),
    );
    expect(found.some(({ body }) => Buffer.from(body).toString() === "bytes")).toBe(true);
  });

  it("A2: a journal of another format is refused, with what to do, and left as it is", async () => {
    const path = join(freshDir(), "journal");
    const bytes = Buffer.from("FCJRNL2\nsomething else");
    writeFileSync(path, bytes);
    await expect(openJournal(path)).rejects.toMatchObject({
      code: "JOURNAL_NEWER",
      message: expect.stringMatching(/format 2.*do not move it away/),
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});
