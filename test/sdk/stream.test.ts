import { afterEach, describe, expect, it } from "vitest";
import type { EventMessage } from "../../protocol/events.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { createEventStream, type EventStream } from "../../sdk/calls/stream.ts";
import { ApiError } from "../../sdk/errors.ts";
import type { Answer } from "../../sdk/http/transport.ts";

/** A connection that says what the test wants, and holds until it is closed. */
function connection(messages: EventMessage[], signal: AbortSignal, hold?: (on: boolean) => void): Answer {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const message of messages) yield encodeFrame(message);
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  }
  return { status: 200, header: () => null, bytes: async () => new Uint8Array(), chunks, ...(hold ? { hold } : {}) };
}

type Opened = { groups: string[]; lastEventId: string | undefined };

function harness(answers: (EventMessage[] | Error)[], options: { silenceMs?: number; holds?: boolean[] } = {}) {
  const opened: Opened[] = [];
  const failures: unknown[] = [];
  let resets = 0;
  const stream = createEventStream({
    async open({ groups, lastEventId, signal }) {
      opened.push({ groups: [...groups], lastEventId });
      const answer = answers[Math.min(opened.length, answers.length) - 1] ?? [];
      if (answer instanceof Error) throw answer;
      const { holds } = options;
      return connection(answer, signal, holds && ((on) => void holds.push(on)));
    },
    onTasks() {},
    onReset: () => void resets++,
    onFailure: (error) => void failures.push(error),
    silenceMs: options.silenceMs ?? 60_000,
    idleMs: { held: 30, other: 30 },
    retry: { retryForMs: 5_000, connectForMs: 5_000 },
  });
  stream.addGroup("a");
  streams.push(stream);
  return { stream, opened, failures, resets: () => resets };
}

let streams: EventStream[] = [];
afterEach(() => {
  for (const stream of streams) stream.close();
  streams = [];
});

const hello = (id: string): EventMessage => ({ kind: "hello", id });
const beat = (id: string): EventMessage => ({ kind: "beat", id });

describe("the event stream of a client", () => {
  it("is opened when it is needed, and ready when the gateway has said hello", async () => {
    const { stream, opened } = harness([[hello("g.7")]]);
    expect([opened.length, stream.isReady]).toEqual([0, false]);
    stream.need(true);
    await stream.ready();
    expect(opened).toEqual([{ groups: ["a"], lastEventId: undefined }]);
    expect(stream.isReady).toBe(true);
  });

  it("that falls silent is opened anew, from where it was", async () => {
    const { stream, opened } = harness([[hello("g.7"), beat("g.9")], [hello("g.9")]], { silenceMs: 30 });
    stream.need(true);
    await expect.poll(() => opened.length).toBeGreaterThan(1);
    expect(opened[1]).toEqual({ groups: ["a"], lastEventId: "g.9" });
  });

  it("with one more group is opened anew, from where it was", async () => {
    const { stream, opened } = harness([[hello("g.7")], [hello("g.7")]]);
    stream.need(true);
    await stream.ready();
    stream.addGroup("b");
    stream.addGroup("b");
    await expect.poll(() => opened.length).toBe(2);
    expect(opened[1]).toEqual({ groups: ["a", "b"], lastEventId: "g.7" });
  });

  it("does not take the hello of a resumed stream for progress: what is to be replayed is still to come", async () => {
    const { stream, opened } = harness([[hello("g.7")], [hello("g.50")], [hello("g.50")]], { silenceMs: 30 });
    stream.need(true);
    await expect.poll(() => opened.length).toBeGreaterThan(2);
    expect(opened.slice(1, 3).map(({ lastEventId }) => lastEventId)).toEqual(["g.7", "g.7"]);
  });

  it("told to reset goes on from the new position", async () => {
    const { stream, opened, resets } = harness([[hello("g.7")], [hello("h.1"), { kind: "reset", id: "h.2" }]], {
      silenceMs: 30,
    });
    stream.need(true);
    await expect.poll(() => opened.length).toBeGreaterThan(2);
    expect(resets()).toBeGreaterThan(0);
    expect(opened[2]?.lastEventId).toBe("h.2");
  });

  it("that is not needed is closed after a while, and starts afresh when it is needed again", async () => {
    const { stream, opened } = harness([[hello("g.7")]]);
    stream.need(true);
    await stream.ready();
    stream.need(false);
    await expect.poll(() => stream.isReady).toBe(false);
    stream.need(true);
    await stream.ready();
    expect(opened.map(({ lastEventId }) => lastEventId)).toEqual([undefined, undefined]);
  });

  it("needed again before that stays as it is", async () => {
    const { stream, opened } = harness([[hello("g.7")]]);
    stream.need(true);
    await stream.ready();
    stream.need(false);
    stream.need(true);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect([opened.length, stream.isReady]).toEqual([1, true]);
  });

  it("keeps the process alive only while it is needed, where that can be said", async () => {
    const holds: boolean[] = [];
    const { stream } = harness([[hello("g.7")]], { holds });
    stream.need(true);
    await stream.ready();
    stream.need(false);
    stream.need(true);
    expect(holds).toEqual([true, false, true]);
  });

  it("that is refused for good says so to those who wait, and to those who come later by trying again", async () => {
    const { stream, opened, failures } = harness([new ApiError("UNAUTHENTICATED", "no"), [hello("g.1")]]);
    stream.need(true);
    await expect(stream.ready()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(failures).toHaveLength(1);
    await stream.ready();
    expect(opened).toHaveLength(2);
  });
});
