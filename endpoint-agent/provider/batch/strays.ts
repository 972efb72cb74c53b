/** Jobs of this endpoint that nobody wants: left by an earlier agent, submitted twice, or submitted late. They are cancelled. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JobId } from "../port.ts";
import type { ListedJob } from "./dialect.ts";
import { isLive } from "./doubts.ts";
import type { List, Listing } from "./listing.ts";
import { parseJobId } from "./names.ts";

export type StraysOptions = {
  listing: Listing;
  /** blocks of earlier runs */
  known: readonly string[];
  /** with what the names of all jobs of this endpoint begin */
  prefix: string;
  nameOf(block: string): string;
  cancel(ids: readonly string[], options: { force: boolean }): Promise<void>;
  log: { warn(facts: object, text: string): void };
  signal: AbortSignal;
};

export type Strays = {
  /** A block that is, or may be, submitted: its job is none. */
  own(block: string): void;
  /** A block that was given up: its job, should it come up after all, is one. */
  disown(block: string): void;
  /** Cancels what this list has of them; `jobs` are those that are wanted. */
  check(list: List, jobs: readonly JobId[]): Promise<void>;
};

/** Begins to look for them: the first list tells what earlier agents left behind. */
export function huntStrays({ listing, prefix, nameOf, log, signal, ...options }: StraysOptions): Strays {
  const own = new Set(options.known.map(nameOf));
  const disowned = new Set<string>();
  let left: Set<string> | undefined;
  let serial = 0;

  const check = async (list: List, jobs: readonly JobId[]) => {
    if (list.serial === serial) return;
    serial = list.serial;
    const live = [...list.jobs.values()].filter(isLive);
    left ??= new Set(live.filter(({ name }) => name?.startsWith(prefix) && !own.has(name)).map(({ id }) => id));
    const wanted = new Map(jobs.map((job) => [nameOf(parseJobId(job).block), parseJobId(job).id]));
    const isStray = ({ id, name }: ListedJob) => {
      if (left?.has(id) && name?.startsWith(prefix)) return true;
      if (name === null) return false;
      const other = wanted.get(name);
      return disowned.has(name) || (other !== undefined && other !== id);
    };
    const strays = live.filter(isStray).map(({ id }) => id);
    left = new Set([...left].filter((id) => strays.includes(id)));
    if (strays.length === 0) return;
    log.warn({ jobs: strays }, "jobs of this endpoint that nobody wants are cancelled");
    await options.cancel(strays, { force: false });
  };
  const hunt = async () => {
    while (!signal.aborted && left?.size !== 0) {
      const list = await listing.latest();
      if (list) await check(list, []).catch((err) => log.warn({ err }, "unwanted jobs cannot be cancelled"));
      if (left?.size !== 0) await sleep(Math.max(100, listing.waitMs), undefined, { signal }).catch(() => {});
    }
  };
  void hunt();
  return {
    own(block) {
      // Only the first list is compared with them.
      if (left === undefined) own.add(nameOf(block));
    },
    disown: (block) => void disowned.add(nameOf(block)),
    check,
  };
}
