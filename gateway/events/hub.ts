/**
 * Fans committed events out to the streams and waiting requests of this gateway, in commit order and without a gap: what
 * was not published here (another gateway's, or a publish that came early) is read from the store's table.
 */
import type { Logger } from "pino";
import { isTerminal } from "../../protocol/task.ts";
import type { EventHub } from "../ports.ts";
import type { Store, StoredEvent } from "../store/port.ts";
import { createBatch, type EventBatch } from "./batch.ts";

/** How long a gap in the sequence may stand before the table is asked. */
const GAP_MS = 100;
const PAGE = 1000;
const MAX_HELD = 50_000;

/** Whose events, and of which groups; null means all. */
export type EventFilter = { owner: string; groups: readonly string[] | null };
/** Takes each batch; never waits. */
export type EventSink = (batch: EventBatch) => void;

/** The hub as streams and waiting requests see it. */
export type Hub = EventHub & {
  /** Every event up to this sequence has been given to the subscribers of its group. */
  position(): number;
  /** Gives the events that match from now on, in order, one batch a publish. Returns the way out. */
  subscribe(filter: EventFilter, sink: EventSink): () => void;
  /** Calls back once, at the task's end. Returns the way out. */
  onEnd(task: string, callback: () => void): () => void;
};

type Feed = { filter: EventFilter; key: string; sinks: Set<EventSink>; pending: StoredEvent[] };
type OwnerFeeds = { all: Feed | undefined; byGroup: Map<string, Set<Feed>> };

/** What the hub needs. */
export type HubOptions = {
  store: Pick<Store, "eventsAfter" | "generation">;
  /** the last sequence in the store at the start */
  position: number;
  log: Logger;
  signal: AbortSignal;
};

/** Makes the hub of one gateway. */
export function createHub(options: HubOptions): Hub {
  const { store, log, signal } = options;
  let position = options.position;
  const held = new Map<number, StoredEvent>();
  let gapTimer: NodeJS.Timeout | undefined;
  const owners = new Map<string, OwnerFeeds>();
  const feeds = new Map<string, Feed>();
  const waiters = new Map<string, Set<() => void>>();
  signal.addEventListener("abort", () => clearTimeout(gapTimer), { once: true });

  function deliver(events: readonly StoredEvent[]): void {
    if (events.length === 0) return;
    position = (events.at(-1) as StoredEvent).sequence;
    if (feeds.size > 0) fanOut(events);
    if (waiters.size > 0) for (const event of events) if (isTerminal(event.state)) wake(event.id);
  }

  function fanOut(events: readonly StoredEvent[]): void {
    const touched: Feed[] = [];
    const add = (feed: Feed, event: StoredEvent) => {
      if (feed.pending.length === 0) touched.push(feed);
      feed.pending.push(event);
    };
    for (const event of events) {
      const owner = owners.get(event.owner);
      if (!owner) continue;
      if (owner.all) add(owner.all, event);
      if (event.group === null) continue;
      const ofGroup = owner.byGroup.get(event.group);
      if (ofGroup) for (const feed of ofGroup) add(feed, event);
    }
    for (const feed of touched) {
      const batch = createBatch(store.generation, feed.pending, feed.filter.groups?.length !== 1);
      feed.pending = [];
      for (const sink of feed.sinks) sink(batch);
    }
  }

  function wake(task: string): void {
    const callbacks = waiters.get(task);
    if (!callbacks) return;
    waiters.delete(task);
    for (const callback of callbacks) callback();
  }

  function hold(events: readonly StoredEvent[]): void {
    for (const event of events) if (event.sequence > position && held.size < MAX_HELD) held.set(event.sequence, event);
    const ready: StoredEvent[] = [];
    for (let next = held.get(position + 1); next; next = held.get(next.sequence + 1)) {
      held.delete(next.sequence);
      ready.push(next);
    }
    deliver(ready);
    if (held.size > 0) awaitGap();
  }

  function awaitGap(): void {
    if (gapTimer || signal.aborted) return;
    gapTimer = setTimeout(() => {
      fillGap()
        .catch((err) => log.warn({ err }, "events could not be read from the table; trying again"))
        .finally(() => {
          gapTimer = undefined;
          if (held.size > 0) awaitGap();
        });
    }, GAP_MS);
  }

  async function fillGap(): Promise<void> {
    log.debug({ position, held: held.size }, "events were not published here; they are read from the table");
    while (held.size > 0 && !signal.aborted) {
      const page = await store.eventsAfter({ owner: null, groups: null }, position, PAGE);
      deliver(page.events.filter((event) => event.sequence > position));
      position = Math.max(position, page.scannedTo);
      for (const sequence of held.keys()) if (sequence <= position) held.delete(sequence);
      hold([]);
      if (page.scannedTo >= page.last) return;
    }
  }

  return {
    position: () => position,
    publish(events) {
      if (events.length === 0) return;
      if (held.size === 0 && isNext(events, position)) deliver(events);
      else hold(events);
    },
    subscribe(filter, sink) {
      const key = JSON.stringify([filter.owner, filter.groups && [...filter.groups].sort()]);
      let feed = feeds.get(key);
      if (!feed) {
        feed = { filter, key, sinks: new Set(), pending: [] };
        feeds.set(key, feed);
        link(owners, feed);
      }
      const joined = feed;
      joined.sinks.add(sink);
      return () => {
        joined.sinks.delete(sink);
        if (joined.sinks.size > 0 || feeds.get(key) !== joined) return;
        feeds.delete(key);
        unlink(owners, joined);
      };
    },
    onEnd(task, callback) {
      const callbacks = waiters.get(task) ?? new Set();
      waiters.set(task, callbacks);
      callbacks.add(callback);
      return () => {
        callbacks.delete(callback);
        if (callbacks.size === 0 && waiters.get(task) === callbacks) waiters.delete(task);
      };
    },
  };
}

function isNext(events: readonly StoredEvent[], position: number): boolean {
  for (const event of events) if (event.sequence !== ++position) return false;
  return true;
}

function link(owners: Map<string, OwnerFeeds>, feed: Feed): void {
  const owner = owners.get(feed.filter.owner) ?? { all: undefined, byGroup: new Map() };
  owners.set(feed.filter.owner, owner);
  if (feed.filter.groups === null) owner.all = feed;
  for (const group of feed.filter.groups ?? []) {
    const ofGroup = owner.byGroup.get(group);
    if (ofGroup) ofGroup.add(feed);
    else owner.byGroup.set(group, new Set([feed]));
  }
}

function unlink(owners: Map<string, OwnerFeeds>, feed: Feed): void {
  const owner = owners.get(feed.filter.owner);
  if (!owner) return;
  if (owner.all === feed) owner.all = undefined;
  for (const group of feed.filter.groups ?? []) {
    const ofGroup = owner.byGroup.get(group);
    ofGroup?.delete(feed);
    if (ofGroup?.size === 0) owner.byGroup.delete(group);
  }
  if (!owner.all && owner.byGroup.size === 0) owners.delete(feed.filter.owner);
}
