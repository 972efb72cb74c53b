/** Grid Engine's state letters, and the codes of its accounting. */
import type { ListedJob } from "./dialect.ts";

type Meaning = Omit<ListedJob, "id" | "name">;

/** What the list says twice: the part that a job is in, and its letters. */
const PARTS: Readonly<Record<string, RegExp>> = { running: /[rtsSTN]/, pending: /q/, zombie: /^z$/ };

/**
 * Letters in any order: d deletion, E error, h hold, R started again, r running, t transferring, s S T suspended by a user, a
 * queue or its load, N by a running-job limit, q queued, w waiting, z ended.
 */
export function stateMeaning(letters: string, part: string): Meaning | undefined {
  const agrees = Object.hasOwn(PARTS, part) && PARTS[part]?.test(letters);
  if (!agrees || !/^[dEhRrtsSTNqwz]{1,8}$/.test(letters)) return undefined;
  const has = (any: string) => [...any].some((letter) => letters.includes(letter));
  const says = (words: string) => `${letters}: ${words}`;
  // Its processes are there until it has left the list.
  if (has("d")) return { state: has("rtsSTN") ? "running" : "pending", reason: says("being deleted") };
  // It failed to start, or ended with 100: somebody would have to clear the error.
  if (has("E")) return { state: "held", reason: says("in error: qstat -j tells why"), hopeless: true };
  if (letters === "z") return { state: "gone", reason: says("ended"), settled: true };
  if (has("sSTN")) return { state: "held", reason: says("suspended") };
  // On its way to a node that may not answer.
  if (has("t")) return { state: "pending", reason: says("starting") };
  if (has("r")) return { state: "running", reason: says("running") };
  if (has("h")) return { state: "held", reason: says("held") };
  return has("q") ? { state: "pending", reason: says("waiting") } : undefined;
}

/** Of a script that was told that KILL comes (USR1, USR2, XCPU; TERM of a machine that is shut down), and ended. */
const WARNED: ReadonlySet<number> = new Set([138, 140, 143, 152]);
const KILLED = 137;

/** Of `failed` and `exit_status`. `failed` comes first: with it the other may be 0. Undefined: no end. */
export function accountMeaning(failed: string, status: string): Meaning | undefined {
  const [, digits, words] = /^(\d{1,3})(?: *: *(.*))?$/.exec(failed) ?? [];
  const exit = /^(\d{1,3})(?: +\(.*\))?$/.exec(status)?.[1];
  if (digits === undefined || exit === undefined) return undefined;
  const code = Number(digits);
  const ended = (reason: string, more: Partial<Meaning> = {}): Meaning => ({ state: "gone", reason, ...more });
  const why = `${words ?? "failed"} (${code})`;
  if (code === 0) return ended(`exit code ${exit}`, WARNED.has(Number(exit)) ? { taken: true } : {});
  // It will be, or was, started again.
  if (code === RESCHEDULED) return undefined;
  if (code === SIGNALLED) {
    const outside = Number(exit) === KILLED || WARNED.has(Number(exit));
    return ended(`exit code ${exit}: ${why}`, outside ? { taken: true } : {});
  }
  if (code === NO_SHEPHERD) return ended(why, { taken: true, cause: "node-failed", unproven: true });
  if (code === EXIT_100) return ended(why);
  // Limits, and whatever kept it from starting.
  if (code === LIMIT) return ended(`${why}, as when its walltime is over`, { taken: true, cause: "walltime" });
  return ended(why, { taken: true });
}

const NO_SHEPHERD = 19;
const RESCHEDULED = 25;
const EXIT_100 = 30;
const LIMIT = 37;
const SIGNALLED = 100;
