/** LSF's words: states, why a job ended, and what its history says. */
import type { TakenCause } from "../port.ts";
import type { ListedJob } from "./dialect.ts";

/** Of a record of `bjobs -json`; all are text, and whatever is missing is empty or a dash. */
export type Fields = Readonly<Record<"JOBID" | "JOB_NAME" | "STAT", unknown>> &
  Readonly<Partial<Record<"EXIT_CODE" | "EXIT_REASON" | "PEND_REASON", unknown>>>;

const WAITING: Readonly<Record<string, { state: "pending" | "held"; words: string }>> = {
  PEND: { state: "pending", words: "pending" },
  PROV: { state: "pending", words: "its nodes are being woken up" },
  WAIT: { state: "pending", words: "waiting in a chunk of jobs" },
  PSUSP: { state: "held", words: "suspended while pending" },
  USUSP: { state: "held", words: "suspended by its user" },
  SSUSP: { state: "held", words: "suspended by LSF" },
};

/** Undefined for what is no job, as a record with an ERROR, or is in a state that nobody knows. */
export function fromFields(record: Fields): ListedJob | undefined {
  const text = (value: unknown) => (typeof value === "string" && value.trim() !== "-" ? value.trim() : "");
  const [id, name, word] = [text(record.JOBID), text(record.JOB_NAME), text(record.STAT)];
  if (!/^\d{1,15}$/.test(id) || name === "") return undefined;
  const job = { id, name };
  const waits = Object.hasOwn(WAITING, word) ? WAITING[word] : undefined;
  if (waits) {
    const why = text(record.PEND_REASON).replaceAll(/\s+/g, " ").replace(/[;:]$/, "");
    const reason = `${word}: ${why === "" ? waits.words : why}`;
    return { ...job, state: waits.state, reason, ...(NEVER.test(why) ? { hopeless: true } : {}) };
  }
  switch (word) {
    case "RUN":
      return { ...job, state: "running", reason: "RUN" };
    case "UNKWN":
      // It may live.
      return { ...job, state: "running", reason: "UNKWN: its node does not answer" };
    case "ZOMBI":
      return {
        ...job,
        state: "gone",
        reason: "ZOMBI: killed while its node did not answer",
        taken: true,
        cause: "node-failed",
        unproven: true,
      };
    case "DONE":
    case "POST_DONE":
      return { ...job, state: "gone", reason: "exit code 0" };
    case "EXIT":
    case "POST_ERR":
      return { ...job, ...exitMeaning(text(record.EXIT_REASON), text(record.EXIT_CODE)) };
    default:
      return undefined;
  }
}

/** Only words that say never: what is wrongly taken for hopeless would be cancelled. */
const NEVER = /never satisfied|condition invalid/i;

/** By the job's own doing; all other TERM_ reasons are the site's. */
const OWN_FAULT =
  /^TERM_(?:MEMLIMIT|SWAP|CPULIMIT|PROCESSLIMIT|THREADLIMIT|BUCKET_KILL_INVALID|CWD_NOTEXIST|UNKNOWN)\b/;
/** Its node may not know. */
const FORCED = /^TERM_(?:FORCE_OWNER|FORCE_ADMIN|REMOVE_HUNG_JOB)\b/;

function exitMeaning(why: string, code: string): Pick<ListedJob, "state" | "reason" | "taken" | "cause" | "unproven"> {
  const reason = [code === "" ? "" : `exit code ${code}`, why].filter((part) => part !== "").join(": ");
  // Without a code it was ended before it was started.
  const taken = (why.startsWith("TERM_") && !OWN_FAULT.test(why)) || (code === "" && why === "");
  return {
    state: "gone",
    reason: reason === "" ? "ended before it was started" : reason,
    ...(taken ? { taken, ...causeOf(why) } : {}),
    ...(FORCED.test(why) ? { unproven: true } : {}),
  };
}

const CAUSES: readonly [RegExp, TakenCause][] = [
  [/^TERM_RUNLIMIT\b/, "walltime"],
  [/^TERM_PREEMPT\b/, "preempted"],
  [/^TERM_(?:OWNER|ADMIN|FORCE_OWNER|FORCE_ADMIN)\b/, "cancelled"],
];

function causeOf(why: string): { cause?: TakenCause } {
  const [, cause] = CAUSES.find(([pattern]) => pattern.test(why)) ?? [];
  return cause ? { cause } : {};
}

const END = /: (?:(Done successfully)|(?:Exited|Completed <exit>)(?: with exit code (\d+)| by signal (\d+))?)\b(.*)$/;

/** Ends that `bhist -UF` tells: each event is one line, the newest last. */
export function fromHistory(stdout: string): ListedJob[] | undefined {
  const jobs: ListedJob[] = [];
  const blocks = stdout.split(/^(?=Job <\d+>)/m);
  for (const block of blocks) {
    const [head = "", ...events] = block.split("\n");
    const [, id, name] = /^Job <(\d+)>, Job Name <([^<>]*)>/.exec(head) ?? [];
    const last = events.findLast(
      (line) => /^[A-Z][a-z]{2} [A-Z][a-z]{2} /.test(line) && !/: Post job process/.test(line),
    );
    const [whole, done, code, signal, rest] = END.exec(last ?? "") ?? [];
    if (!id || !name || whole === undefined) continue;
    if (done !== undefined) jobs.push({ id, name, state: "gone", reason: "exit code 0" });
    else {
      const why =
        /TERM_[A-Z_]+[^.]*/.exec(rest ?? "")?.[0] ?? (signal === undefined ? "" : `ended by signal ${signal}`);
      jobs.push({ id, name, ...exitMeaning(why, code ?? "") });
    }
  }
  return jobs.length > 0 || /^No matching job found/m.test(stdout) ? jobs : undefined;
}
