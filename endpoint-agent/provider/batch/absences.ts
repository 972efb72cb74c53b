/** Jobs that the scheduler's lists no longer have: unknown, until something proves their end (FAULTS.md B11). */
import type { JobId, JobStatus, TakenCause } from "../port.ts";
import type { CommandOutput, Dialect, ListedJob } from "./dialect.ts";
import type { List } from "./listing.ts";
import { parseJobId } from "./names.ts";
import type { Timing } from "./timing.ts";

export type AbsencesOptions = {
  dialect: Pick<Dialect, "history">;
  timing: Timing;
  orphanTimeoutMs: number;
  /** whose jobs they are */
  user: string;
  nameOf(block: string): string;
  /** with which exit code the block's script ended; undefined when it is not known to have */
  exitCodeOf(block: string): number | undefined;
  contactOf(block: string): Contact | undefined;
  run(argv: readonly string[]): Promise<CommandOutput>;
};

/** What was last heard of a block's managers, on the engine's clock. */
export type Contact = { at: number; connected: boolean };

/** Whether one of them is certainly there. */
export function answers(contact: Contact | undefined, { now, answerMs }: Pick<Timing, "now" | "answerMs">): boolean {
  return contact?.connected === true && now() - contact.at < answerMs;
}

/** `given`: the scheduler has given it up, in these words, though its processes may live, if it is not `settled` that they do not. */
export type Absent = { job: JobId; given: string | undefined; cause?: TakenCause | undefined; settled: boolean };

export type Absences = {
  /** Lists that were asked for before this need not know the job. */
  submitted(job: JobId): void;
  /** A list has it. */
  over(job: JobId): void;
  /** It has ended. */
  forget(job: JobId): void;
  /** Those whose end is proven, and those that the scheduler has given up. */
  judge(absent: readonly Absent[], list: List): Promise<Map<JobId, JobStatus>>;
};

/** Makes the judge. */
export function createAbsences(options: AbsencesOptions): Absences {
  const { dialect, timing, nameOf } = options;
  const startedAt = timing.now();
  const submittedAt = new Map<JobId, number>();
  const absences = new Map<JobId, { since: number; lists: number; serial: number }>();
  let asked: { serial: number; ended: ReadonlyMap<string, ListedJob> } | undefined;

  const forget = (job: JobId) => {
    absences.delete(job);
    submittedAt.delete(job);
  };
  const count = (job: JobId, list: List) => {
    const known = absences.get(job) ?? { since: timing.now(), lists: 0, serial: 0 };
    if (known.serial !== list.serial) known.lists++;
    known.serial = list.serial;
    absences.set(job, known);
    return known;
  };
  /** What the second source says, asked once for each list. */
  const history = async (jobs: readonly JobId[], list: List) => {
    if (dialect.history === undefined || jobs.length === 0) return NOTHING;
    if (asked?.serial !== list.serial) {
      const some = jobs.slice(0, MAX_ASKED).map(parseJobId);
      const [ids, names] = [some.map(({ id }) => id), some.map(({ block }) => nameOf(block))];
      const ended = dialect.history.parse(await options.run(dialect.history.command(ids, options.user, names))) ?? [];
      asked = { serial: list.serial, ended: new Map(ended.map((job) => [job.id, job])) };
    }
    return asked.ended;
  };
  /** Every process of the block has ended itself: nothing has told it to go on for long enough. `given`: up, by its scheduler. */
  const isDead = (job: JobId, absence: { since: number; lists: number }, given: boolean) => {
    const contact = options.contactOf(parseJobId(job).block)?.at ?? startedAt;
    const silentSince = Math.max(contact, submittedAt.get(job) ?? startedAt);
    const now = timing.now();
    return (
      absence.lists >= timing.minLists &&
      (given || now - absence.since >= timing.graceMs) &&
      now - silentSince >= options.orphanTimeoutMs + timing.deadAfterMs
    );
  };
  const judge = (
    absent: Absent,
    absence: { since: number; lists: number },
    past: ListedJob | undefined,
  ): JobStatus | undefined => {
    const { block } = parseJobId(absent.job);
    if (past && !past.unproven) {
      const { reason, taken, cause, node } = past;
      return { ...GONE, reason, ...(taken && { taken }), ...(cause && { cause }), ...(node && { node }) };
    }
    const code = options.exitCodeOf(block);
    if (code !== undefined && absent.given === undefined) return { ...GONE, reason: "its script has ended" };
    // By now it would have come up in the history.
    if (absent.settled && past === undefined && absence.lists >= timing.minLists) {
      return code === undefined
        ? { ...GONE, reason: "ended before it was started", taken: true as const }
        : { ...GONE, reason: "its script has ended" };
    }
    const given = absent.given ?? past?.reason ?? undefined;
    const cause = absent.cause ?? past?.cause;
    const why = { ...(cause && { cause }) };
    if (!isDead(absent.job, absence, given !== undefined)) {
      // It has no place there any more; its work may go on all the same.
      return given === undefined || absent.settled ? undefined : { state: "lost" as const, reason: given, ...why };
    }
    if (given !== undefined) return { ...GONE, reason: given, taken: true as const, ...why };
    return {
      ...GONE,
      reason: "the scheduler does not know it any more, and nothing was heard of it until it was certainly over",
    };
  };

  return {
    submitted: (job) => void submittedAt.set(job, timing.now()),
    over: (job) => void absences.delete(job),
    forget,
    async judge(absent, list) {
      const judged = new Map<JobId, JobStatus>();
      const asking = absent.filter(({ job }) => (submittedAt.get(job) ?? Number.NEGATIVE_INFINITY) < list.askedAt);
      const past = await history(
        asking.map(({ job }) => job),
        list,
      );
      for (const one of asking) {
        const absence = count(one.job, list);
        const { id, block } = parseJobId(one.job);
        // Who still answers has not ended, whatever others say.
        if (answers(options.contactOf(block), timing)) continue;
        const known = past.get(id);
        const end = judge(
          one,
          absence,
          known && (known.name === null || known.name === nameOf(block)) ? known : undefined,
        );
        if (end === undefined) continue;
        judged.set(one.job, end);
        if (end.state === "gone") forget(one.job);
      }
      return judged;
    },
  };
}

const GONE = { state: "gone" as const };
/** More ids than this on one command line are asked about with a later list. */
const MAX_ASKED = 100;
const NOTHING: ReadonlyMap<string, ListedJob> = new Map();
