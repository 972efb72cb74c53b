/** A real nats-server, a real store and a dispatcher between them, with short words for what tests do with them. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { createDispatcher } from "../../../gateway/dispatch/dispatcher.ts";
import type { Store, StoredEvent } from "../../../gateway/store/port.ts";
import { openSqliteStore } from "../../../gateway/store/sqlite/open.ts";
import { GATEWAY_CREDS_FILE } from "../../../gateway/wire/credentials.ts";
import { createWire, type Wire } from "../../../gateway/wire/wire.ts";
import type { SubmitEntry } from "../../../protocol/batch.ts";
import { newId } from "../../../protocol/ids.ts";
import type { CallSpec } from "../../../protocol/task.ts";
import { connectAsAgent } from "../../support/agent-connection.ts";
import { startNats, type TestNats } from "../../support/nats-server.ts";
import { startTestAgent, type TestAgentOptions } from "../../support/test-agent.ts";
import { createAgentWire } from "../../support/test-agent-wire.ts";

export const FUNCTION = "f".repeat(64);
const ROOMY = { tasks: 10_000_000, bytes: 1e12 };
const LIMITS = { perOwner: ROOMY, perEndpoint: ROOMY, retentionMs: 14 * 86_400_000, minFreeBytes: 0 };

export type WorldOptions = {
  /** puts something between the dispatcher and NATS */
  wrap?: (wire: Wire) => Wire;
  /** watches the store */
  spy?: (store: Store) => Store;
  nats?: TestNats;
  /** where the gateway connects to, if not the server itself */
  natsUrl?: string;
};

export type World = Awaited<ReturnType<typeof createWorld>>;

/** Everything is gone when the test is over. */
export async function createWorld(options: WorldOptions = {}) {
  const dir = await mkdtemp(join(tmpdir(), "farcall-dispatch-"));
  // First registered, last run: also when something below fails.
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const nats = options.nats ?? (await startNats());
  if (!options.nats) onTestFinished(() => nats.stop());
  const time = { skipped: 0 };
  const clock = { monotonic: () => performance.now() + time.skipped, wall: () => Date.now() + time.skipped };
  const file = join(dir, "db");
  const real = await openSqliteStore({ file, durability: "fast", limits: LIMITS, ballastBytes: 0, now: clock.wall });
  const store = options.spy?.(real) ?? real;
  const log = pino({ level: process.env.FARCALL_TEST_LOG ?? "silent" }, pino.destination(2));
  const creds = await readFile(join(nats.authDir, GATEWAY_CREDS_FILE));
  const events: StoredEvent[] = [];
  const ends = new Map<string, string[]>();
  const hub = {
    publish(published: readonly StoredEvent[]) {
      for (const event of published) {
        events.push(event);
        if (event.state === "succeeded" || event.state === "failed") {
          ends.set(event.id, [...(ends.get(event.id) ?? []), event.state]);
        }
      }
    },
  };
  const startGateway = () => {
    const wire = createWire({
      servers: [options.natsUrl ?? nats.url],
      creds,
      log,
      signal: new AbortController().signal,
    });
    return createDispatcher({ store, hub, wire: options.wrap?.(wire) ?? wire, log, clock });
  };
  let dispatcher = startGateway();
  const endpoint = newId();
  await store.putEndpoint({ id: endpoint, name: "laptop", owner: "ada", description: "" });
  const definition = { runtime: "javascript", code: "c".repeat(64), entry: "default" } as const;
  await store.putFunction({ owner: "ada", name: "noop", id: FUNCTION, definition, code: new Uint8Array([49]) });
  const agents: { stop(): Promise<void> }[] = [];
  onTestFinished(async () => {
    for (const agent of agents) await agent.stop();
    await dispatcher.stop();
    await store.close();
  });
  await until(() => dispatcher.connected(), "the gateway is connected");

  const world = {
    nats,
    store,
    endpoint,
    events,
    /** terminal states by task, in the order they were published; more than one is a fault */
    ends,
    get dispatcher() {
      return dispatcher;
    },
    /** Lets time pass for the gateway and its store. */
    skip(ms: number): void {
      time.skipped += ms;
    },
    async restartGateway(): Promise<void> {
      await dispatcher.stop();
      dispatcher = startGateway();
      await until(() => dispatcher.connected(), "the gateway is connected again");
    },
    async addEndpoint(): Promise<string> {
      const id = newId();
      await store.putEndpoint({ id, name: `e-${id.slice(-12)}`, owner: "ada", description: "" });
      return id;
    },
    connect: (to = endpoint) => connectAsAgent({ url: nats.url, authDir: nats.authDir, endpoint: to }),
    async agent(more: Partial<TestAgentOptions> & { endpoint?: string; times?: () => number; url?: string } = {}) {
      const { endpoint: to = endpoint, times, url = nats.url, ...rest } = more;
      const connection = await connectAsAgent({ url, authDir: nats.authDir, endpoint: to });
      const wire = createAgentWire({ endpoint: to, connection, ...(times ? { times } : {}) });
      const agent = await startTestAgent({ wire, ...rest });
      agents.push(agent);
      return agent;
    },
    /** Submits `count` calls in one batch and returns their ids. */
    async submit(
      count: number,
      more: { spec?: Partial<CallSpec>; argsBytes?: number; to?: string } = {},
    ): Promise<string[]> {
      const { argsBytes = 2, to = endpoint } = more;
      const tasks = Array.from({ length: count }, (): SubmitEntry => ({ id: newId(), length: argsBytes }));
      const header = { specs: [{ function: FUNCTION, endpoint: to, ...more.spec }], tasks };
      const output = await dispatcher.submit({ owner: "ada", header, body: new Uint8Array(count * argsBytes) });
      if (output.rejected.length > 0) throw new Error(output.rejected[0]?.message);
      return tasks.map(({ id }) => id);
    },
    async state(id: string) {
      return (await store.getTask(id, null))?.state;
    },
  };
  return world;
}

/** Waits until something is so; fails with what was waited for. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await sleep(10);
  }
}
