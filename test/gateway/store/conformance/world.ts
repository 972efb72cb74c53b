/** A store with an endpoint, a function and a clock, and short words for what tests do with them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type {
  Handout,
  OpenPull,
  ReportOutput,
  Store,
  StoreLimits,
  SubmitOutput,
} from "../../../../gateway/store/port.ts";
import type { ResultEntry, StartEntry, SubmitEntry } from "../../../../protocol/batch.ts";
import { createIdSource } from "../../../../protocol/ids.ts";
import type { CallSpec, TaskState } from "../../../../protocol/task.ts";

/** Opens a store that keeps everything in `dir`; opened again there, it finds what it kept. */
export type OpenStore = (options: { dir: string; limits: StoreLimits; now: () => number }) => Promise<Store>;

export const OWNER = "lovelace";
export const FUNCTION = "f".repeat(64);
export const CLASS = "1c0m0g";
export const DAY_MS = 86_400_000;
export const HELLO = {
  version: "0",
  host: "laptop",
  bootId: "boot",
  pid: 7,
  nonce: "nonce",
  takeOver: false,
  orphanTimeoutMs: 60_000,
};
const ROOMY = { tasks: 1_000_000, bytes: 1e12 };
const LIMITS: StoreLimits = { perOwner: ROOMY, perEndpoint: ROOMY, retentionMs: 14 * DAY_MS, minFreeBytes: 0 };

/** A task to be submitted: its arguments as text, and what differs from the defaults. */
export type Call = Partial<SubmitEntry> & { args?: string; spec?: number };
export type Calls = { specs?: Partial<CallSpec>[]; tasks: Call[]; owner?: string; pulls?: OpenPull[] };
export type End = Partial<ResultEntry> & { id: string; lease?: number; value?: string; out?: string; err?: string };

export type World = Awaited<ReturnType<typeof createWorld>>;

/** Opens a store in a new directory; both are gone when the test is over. */
export async function createWorld(open: OpenStore, limits: Partial<StoreLimits> = {}) {
  const dir = mkdtempSync(join(tmpdir(), "farcall-store-"));
  const clock = { ms: Date.now() };
  const options = { dir, limits: { ...LIMITS, ...limits }, now: () => clock.ms };
  let store = await open(options);
  onTestFinished(async () => {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const newId = createIdSource(() => clock.ms);
  const endpoint = newId();
  await store.putEndpoint({ id: endpoint, name: "laptop", owner: OWNER, description: "" });
  await putFunction(store, OWNER, FUNCTION);
  const { epoch } = await store.startEpoch(endpoint, HELLO, { previousAnswers: false });
  await store.openPull(endpoint, epoch, 1);

  const world = {
    get store() {
      return store;
    },
    dir,
    endpoint,
    epoch,
    newId,
    clock,
    /** The endpoint's open pull with room for this many tasks. */
    pull(tasks: number, more: Partial<OpenPull> & { bytes?: number } = {}): OpenPull {
      const { bytes = 1e9, ...rest } = more;
      return { endpoint, epoch, pull: 1, room: { [CLASS]: { tasks, bytes } }, ...rest };
    },
    async submit({ specs = [{}], tasks, owner = OWNER, pulls = [] }: Calls): Promise<SubmitOutput & { ids: string[] }> {
      const chunks: Uint8Array[] = [];
      const entries = tasks.map(({ args = "[]", ...task }): SubmitEntry => {
        const id = task.id ?? newId();
        if (task.blob !== undefined) return { ...task, id };
        chunks.push(Buffer.from(args));
        return { ...task, id, length: Buffer.byteLength(args) };
      });
      const header = { specs: specs.map((spec) => ({ function: FUNCTION, endpoint, ...spec })), tasks: entries };
      const output = await store.submit({ owner, header, body: Buffer.concat(chunks), pulls });
      return { ...output, ids: entries.map(({ id }) => id) };
    },
    /** Submits one task and leases it; it is handed out once. */
    async leased(spec: Partial<CallSpec> = {}, className = CLASS): Promise<string> {
      const room = { [className]: { tasks: 1, bytes: 1e9 } };
      const { ids, handouts } = await world.submit({ specs: [spec], tasks: [{}], pulls: [{ ...world.pull(1), room }] });
      if (handouts.length !== 1) throw new Error("the task was not handed out");
      return ids[0] as string;
    },
    /** Leases what waits. */
    async pop(tasks = 1000): Promise<Handout["tasks"]> {
      const { handouts } = await store.pop([world.pull(tasks)]);
      return handouts.flatMap((handout) => handout.tasks);
    },
    report(
      ends: End[],
      more: { starts?: StartEntry[]; epoch?: number; endpoint?: string; pulls?: OpenPull[] } = {},
    ): Promise<ReportOutput> {
      const chunks: Uint8Array[] = [];
      const results = ends.map(({ value, out, err, ...end }): ResultEntry => {
        const entry: ResultEntry = { lease: 1, outcome: "succeeded", ...end };
        if (value !== undefined) entry.length = Buffer.byteLength(value);
        if (out !== undefined) entry.stdout = Buffer.byteLength(out);
        if (err !== undefined) entry.stderr = Buffer.byteLength(err);
        for (const text of [value, out, err]) if (text !== undefined) chunks.push(Buffer.from(text));
        return entry;
      });
      return store.report({ endpoint, epoch, results, starts: [], body: Buffer.concat(chunks), pulls: [], ...more });
    },
    start: (id: string, lease = 1) =>
      world.report([], { starts: [{ id, lease, block: "block-1", worker: "worker-1" }] }),
    async state(id: string): Promise<TaskState | undefined> {
      return (await store.getTask(id, null))?.state;
    },
    /** Closes the store and opens it again. */
    async reopen(): Promise<void> {
      await store.close();
      store = await open(options);
    },
  };
  return world;
}

/** Registers a function under its id; the store does not look at its code. */
export async function putFunction(store: Store, owner: string, id: string, name = "noop"): Promise<void> {
  const definition = { runtime: "javascript", code: "c".repeat(64), entry: "default" } as const;
  await store.putFunction({ owner, name, id, definition, code: new TextEncoder().encode("export default () => 1") });
}

/** Text of a payload or of an event's bytes. */
export function text(bytes: Uint8Array | null | undefined): string | undefined {
  return bytes ? Buffer.from(bytes).toString() : undefined;
}
