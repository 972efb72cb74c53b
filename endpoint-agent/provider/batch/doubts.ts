/** Submissions without an id: they may have worked all the same (FAULTS.md B12). */
import { answers, type Contact } from "./absences.ts";
import type { CommandOutput, ListedJob } from "./dialect.ts";
import type { ExitFile } from "./exit-file.ts";
import type { Listing } from "./listing.ts";
import type { Timing } from "./timing.ts";

export type DoubtsOptions = {
  timing: Timing;
  listing: Listing;
  nameOf(block: string): string;
  orphanTimeoutMs: number;
  /** what the block's script has written; undefined before it began */
  exitFileOf(block: string): Pick<ExitFile, "end"> | undefined;
  contactOf(block: string): Contact | undefined;
};

export type Doubts = {
  add(block: string, submission: { since: number; output: CommandOutput }): void;
  /** The id of the block's live job; undefined when there is certainly none. Rejects while that is not known. */
  find(block: string): Promise<string | undefined>;
};

/** What a command says that lost its server, not one that was refused. */
const NO_ANSWER =
  /time[d ]*-?out|zero bytes|transport|socket|connection (?:reset|closed|lost)|end of file|communication|send message|SECMAN/i;

type Doubt = {
  since: number;
  refused: boolean;
  lists: number;
  serial: number;
  /** when it was first seen that the script had begun */
  begunAt?: number;
};

/** Makes the record of doubts. */
export function createDoubts(options: DoubtsOptions): Doubts {
  const { timing, listing, nameOf } = options;
  const doubts = new Map<string, Doubt>();
  /** Whether what the script started may still be there: it was submitted after all, and nobody knows its job. */
  const mayRun = (block: string, doubt: Doubt) => {
    const contact = options.contactOf(block);
    if (answers(contact, timing)) return true;
    const file = options.exitFileOf(block);
    if (file === undefined || file.end !== null) return false;
    doubt.begunAt ??= timing.now();
    const silentSince = Math.max(doubt.begunAt, contact?.at ?? doubt.begunAt);
    return timing.now() - silentSince < options.orphanTimeoutMs + timing.deadAfterMs;
  };
  return {
    add(block, { since, output }) {
      const refused = output.code !== 0 && output.code !== null && !NO_ANSWER.test(output.stderr);
      doubts.set(block, { since, refused, lists: 0, serial: 0 });
    },
    async find(block) {
      // A submission of an earlier run, of which nothing is known, may still be under way.
      const doubt: Doubt = doubts.get(block) ?? { since: timing.now(), refused: false, lists: 0, serial: 0 };
      doubts.set(block, doubt);
      const list = await listing.latest();
      if (!list) throw new Error(listing.trouble ?? "the scheduler was not asked yet");
      const name = nameOf(block);
      const named = [...list.jobs.values()].filter((job) => job.name === name);
      const live = named.find(isLive);
      if (live) {
        doubts.delete(block);
        return live.id;
      }
      if (list.askedAt > doubt.since && list.serial !== doubt.serial) {
        doubt.serial = list.serial;
        doubt.lists++;
      }
      const enough = doubt.lists >= timing.minLists && timing.now() - doubt.since >= timing.doubtMs;
      const certain = doubt.refused ? doubt.lists > 0 : enough || named.length > 0;
      if (!certain || mayRun(block, doubt)) throw new Error(`whether ${name} was submitted is not known yet`);
      doubts.delete(block);
      return undefined;
    },
  };
}

/** Pending, running or held: what a submission without an answer may have left behind. A refused one can leave a failed job. */
export function isLive(job: ListedJob): boolean {
  return job.state !== "gone";
}
