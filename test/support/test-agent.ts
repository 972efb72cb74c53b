/**
 * A small agent that keeps to the protocol and runs nothing: it answers tasks at once, or keeps them. What a real one does
 * for the wire is all here: epochs, pulls, receipts, denials, results kept until they are answered, heartbeats.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { LeaseEntry, LeaseHeader, ResultEntry, ResultsHeader } from "../../protocol/batch.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import {
  type Control,
  type ControlAnswer,
  type Heartbeat,
  type HeartbeatAnswer,
  type HeldLease,
  type Hello,
  type HelloAnswer,
  leaseDigest,
  type ResultsAnswer,
  type WorkMessage,
} from "../../protocol/messages.ts";
import { subjects } from "../../protocol/subjects.ts";
import { createReceipts } from "./test-agent-receipts.ts";
import type { AgentWire } from "./test-agent-wire.ts";

export type TestAgentOptions = {
  wire: AgentWire;
  /** tasks that it takes before they are answered; 4 MiB of arguments */
  window?: number;
  resourceClass?: string;
  hello?: Partial<Hello>;
  countUpTo?: number;
  /** what becomes of a task: its result, or nothing to keep it */
  run?: (task: LeaseEntry) => ResultEntry | undefined;
  /** false: no pull is opened */
  pulls?: boolean;
};

export type TestAgent = Awaited<ReturnType<typeof startTestAgent>>;

const BYTES = 4 * 1024 * 1024;
const SILENCE_MS = 2_000;

/** Says hello and opens a pull. */
export async function startTestAgent(options: TestAgentOptions) {
  const { wire, window = 100, resourceClass = "1c0m0g", countUpTo = 1000 } = options;
  const { endpoint } = wire;
  const run = options.run ?? succeed;
  const stopping = new AbortController();
  const held = new Map<string, { task: LeaseEntry; at: number }>();
  const unanswered = new Map<string, ResultEntry>();
  const receipts = createReceipts();
  const agent = {
    endpoint,
    hello: await hello(),
    pull: 0,
    /** hand-outs that it took, as `<id>#<lease>`, each with how often; more than once is a fault */
    took: new Map<string, number>(),
    /** what it was told to kill */
    killed: [] as HeldLease[],
    controls: [] as Control[],
    waiting: {} as Record<string, number>,
    waits: 0,
    beats: 0,
    ended: [] as string[],
    limit: 0,
    bytes: 0,
    received: 0,
    /** the hand-outs that it holds */
    held: () => [...held.values()].map(({ task }) => task),
    openPull,
    credit,
    beat,
    report,
    /** Sends the result of one that was kept. */
    finish: (task: LeaseEntry, entry: ResultEntry = succeed(task)) => report([entry]),
    /** Forgets a hand-out without a word, as a killed agent does. */
    lose: (id: string) => held.delete(id),
    stop,
  };
  const epoch = agent.hello.ok ? agent.hello.epoch : 0;
  let heardAt = performance.now();

  async function hello(): Promise<HelloAnswer> {
    const own = { version: "0", host: "test", bootId: "boot", pid: 1, nonce: String(Math.random()), takeOver: false };
    const body: Hello = { ...own, orphanTimeoutMs: 60_000, ...options.hello };
    for (;;) {
      const answer = await wire.ask<HelloAnswer>(subjects.hello(endpoint), encodeFrame(body)).catch(() => undefined);
      if (answer) return answer;
    }
  }
  function openPull(): void {
    agent.pull++;
    agent.received = 0;
    agent.bytes = 0;
    heardAt = performance.now();
    agent.limit = Math.max(0, window - held.size);
    const limits = { [resourceClass]: { tasks: agent.limit, bytes: BYTES } };
    wire.publish(subjects.pull(endpoint), encodeFrame({ epoch, pull: agent.pull, limits, countUpTo }));
  }
  function credit(
    limit = Math.max(agent.limit, agent.received + Math.max(0, window - held.size)),
    bytes = agent.bytes + BYTES,
  ): void {
    agent.limit = limit;
    const limits = { [resourceClass]: { tasks: limit, bytes } };
    const received = receipts.upTo(agent.pull);
    wire.publish(subjects.credit(endpoint), encodeFrame({ epoch, pull: agent.pull, limits, received, countUpTo }));
  }
  function onWork(bytes: Uint8Array): void {
    const { header } = decodeFrame(bytes);
    const message = header as WorkMessage | LeaseHeader;
    if (message.epoch !== epoch) return;
    if (message.kind === "tasks") {
      onTasks(message);
      return;
    }
    if (message.pull !== agent.pull) return;
    heardAt = performance.now();
    if (message.kind === "beat") agent.beats++;
    else if (message.kind === "waiting") {
      agent.waiting = message.classes;
      agent.waits++;
    } else {
      agent.ended.push(message.reason);
      if (message.reason !== "superseded") openPull();
    }
  }
  function onTasks({ pull, batch, tasks }: LeaseHeader): void {
    heardAt = performance.now();
    if (!receipts.take(pull, batch)) return;
    const results: ResultEntry[] = [];
    for (const task of tasks) {
      const key = `${task.id}#${task.lease}`;
      agent.took.set(key, (agent.took.get(key) ?? 0) + 1);
      if (pull === agent.pull) {
        agent.received++;
        agent.bytes += task.length ?? 0;
      }
      held.set(task.id, { task, at: performance.now() });
      const result = run(task);
      if (result) results.push(result);
    }
    if (results.length > 0) void report(results);
    if (options.pulls !== false) credit();
  }
  /** Resolves when a gateway has committed them; sends them again until then. */
  async function report(results: ResultEntry[], more: Partial<ResultsHeader> = {}): Promise<ResultsAnswer | undefined> {
    for (const entry of results) unanswered.set(`${entry.id}#${entry.lease}`, entry);
    const header: ResultsHeader = { epoch, message: 0, results, starts: [], ...more };
    const body = results.flatMap(({ length }) => (length ? [Buffer.alloc(length, 49)] : []));
    const frame = encodeFrame(header, body);
    while (!stopping.signal.aborted) {
      const answer = await wire.ask<ResultsAnswer>(subjects.results(endpoint), frame).catch(() => undefined);
      if (!answer || (!answer.ok && answer.error.retryable)) continue;
      for (const { id, lease } of results) {
        unanswered.delete(`${id}#${lease}`);
        if (held.get(id)?.task.lease === lease) held.delete(id);
      }
      if (options.pulls !== false) credit();
      return answer;
    }
    return undefined;
  }
  function onControl(bytes: Uint8Array): Uint8Array {
    const control = decodeFrame(bytes).header as Control;
    agent.controls.push(control);
    const answer: ControlAnswer = { ok: control.epoch === epoch, epoch };
    if (answer.ok && control.kind === "received?") answer.denied = receipts.deny(control.pull, control.batches);
    if (answer.ok && control.kind === "cancel") kill(control.leases);
    return encodeFrame(answer);
  }
  function kill(leases: HeldLease[]): void {
    for (const [id, lease] of leases) {
      agent.killed.push([id, lease]);
      if (held.get(id)?.task.lease === lease) held.delete(id);
    }
  }
  async function beat(olderThanMs = 10_000, leases?: HeldLease[]): Promise<HeartbeatAnswer | undefined> {
    const old = [...held.values()].filter(({ at }) => at <= performance.now() - olderThanMs);
    const digest = leaseDigest(old.map(({ task }): HeldLease => [task.id, task.lease]));
    const heartbeat: Heartbeat = {
      epoch,
      sentAt: performance.now(),
      digest: { ...digest, olderThanMs },
      ...(leases ? { leases } : {}),
      summary: {
        state: "running",
        slots: window,
        busy: 0,
        blocks: [],
        maxBlocks: 1,
        trouble: null,
        version: "0",
        host: "test",
        rssMb: 1,
      },
    };
    const answer = await wire
      .ask<HeartbeatAnswer>(subjects.state(endpoint), encodeFrame(heartbeat))
      .catch(() => undefined);
    if (answer?.ok) kill(answer.kill);
    return answer;
  }
  /** As a real one would: pulls anew after silence, says its credit again, and repairs by heartbeat. */
  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      await sleep(500, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      if (performance.now() - heardAt > SILENCE_MS + 5_000) openPull();
      else credit();
    }
  }
  async function stop(): Promise<void> {
    stopping.abort();
    await wire.close();
  }

  wire.serve(onWork, onControl);
  if (agent.hello.ok && options.pulls !== false) {
    openPull();
    void keep();
  }
  return agent;
}

/** The result of a function that returned `1`. */
export function succeed({ id, lease }: Pick<LeaseEntry, "id" | "lease">): ResultEntry {
  return { id, lease, outcome: "succeeded", length: 1, ranMs: 1, started: true };
}
