/** The state letters and hold types of Torque and PBS, and which comments say that a job will never start. */
import type { JobState } from "../port.ts";
import type { ListedJob } from "./dialect.ts";
import { type ExitMeaning, exitMeaning } from "./exit-status.ts";

type Meaning = { state: JobState; words: string };

const QUEUED: Meaning = { state: "pending", words: "queued" };
const HELD: Meaning = { state: "held", words: "held" };

/** A letter that is not here says nothing. E and S are no ends: processes are there. */
export const TORQUE_STATES: Readonly<Record<string, Meaning>> = {
  Q: QUEUED,
  T: { state: "pending", words: "being moved" },
  W: { state: "pending", words: "waiting for its time" },
  H: HELD,
  R: { state: "running", words: "running" },
  E: { state: "running", words: "ending" },
  S: { state: "held", words: "suspended" },
  C: { state: "gone", words: "completed" },
};

/** B is the parent of an array, X an element that has ended; M was moved to another server, which alone knows more. */
export const PBS_STATES: Readonly<Record<string, Meaning>> = {
  Q: QUEUED,
  T: { state: "pending", words: "being moved" },
  W: { state: "pending", words: "waiting for its time" },
  H: HELD,
  R: { state: "running", words: "running" },
  B: { state: "running", words: "running" },
  E: { state: "running", words: "ending" },
  S: { state: "held", words: "suspended" },
  U: { state: "held", words: "suspended while somebody uses the machine" },
  F: { state: "gone", words: "finished" },
  X: { state: "gone", words: "finished" },
};

/** What a list tells of a job, as text; undefined what it does not tell. */
export type Fields = {
  id: string | undefined;
  name: string | undefined;
  state: string | undefined;
  exitStatus: string | undefined;
  comment: string | undefined;
  holds: string | undefined;
};

/** Undefined when the fields are none of a job, or of one in a state that nobody knows. */
export function fromFields(
  { id, name, state: letter, exitStatus, ...fields }: Fields,
  states: Readonly<Record<string, Meaning>>,
  verdicts: Readonly<Record<number, ExitMeaning>>,
): ListedJob | undefined {
  const meaning = Object.hasOwn(states, letter ?? "") ? states[letter as string] : undefined;
  if (!id || !/^\d+(?:\[\d*\])?\.[\w.-]+$/.test(id) || !name || !meaning) return undefined;
  const { state, words } = meaning;
  const comment = fields.comment?.trim() || undefined;
  if (state === "gone") {
    // Only now: on a live job it is the status of an earlier start.
    if (exitStatus === undefined)
      return { id, name, state, reason: comment ?? "deleted before it was started", taken: true };
    if (!/^-?\d{1,5}$/.test(exitStatus)) return undefined;
    const { words: why, ...more } = exitMeaning(Number(exitStatus), verdicts);
    return { id, name, state, reason: why, ...more };
  }
  if (state === "running") return { id, name, state, reason: words };
  const by = HOLDS[fields.holds ?? ""];
  const reason = comment ?? (state === "held" && by ? `${words} ${by}` : words);
  return { id, name, state, reason, ...(isHopeless(comment) ? { hopeless: true } : {}) };
}

/** Jobs that a list has twice are left out: one of the two may be the forgery of somebody who may print newlines. */
export function onceEach(jobs: readonly (ListedJob | undefined)[]): ListedJob[] {
  const times = new Map<string, number>();
  for (const job of jobs) if (job) times.set(job.id, (times.get(job.id) ?? 0) + 1);
  return jobs.filter((job) => job !== undefined && times.get(job.id) === 1) as ListedJob[];
}

const HOLDS: Readonly<Record<string, string>> = {
  u: "by its user",
  o: "by an operator",
  s: "by the system, or until another job has ended",
  b: "by Moab, after it failed to start",
  su: "by the system and its user",
  us: "by the system and its user",
};

/** Only words that say never: what is wrongly taken for hopeless would be cancelled. */
function isHopeless(comment: string | undefined): boolean {
  return /^(?:Can Never Run|Job (?:can|will) never run|job held, too many failed attempts)/i.test(comment ?? "");
}
