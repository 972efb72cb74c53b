/** Flux: flux batch, flux jobs, flux cancel. From its documents (flux-core 0.4x to 0.8x), not from a run. */

import { dirname } from "node:path";
import type { Dialect, Job, ListedJob } from "./dialect.ts";
import { decimalId, FLUX_STATES, inactive } from "./flux-states.ts";
import { lastLine } from "./pbs-script.ts";
import { onceEach } from "./pbs-states.ts";

/** What may hold anything comes last. */
const FORMAT =
  "{id.dec}|{state}|{result}|{returncode}|{urgency}|{exception.type}|{name}|{sched.reason_pending}|{exception.note}";

export const flux: Dialect = {
  type: "flux",
  nameLength: 64,
  excludesNodes: true,
  // Its ids begin with a letter that not every terminal has.
  env: { FLUX_F58_FORCE_ASCII: "1" },
  directives: (job) => options(job).map((option) => `# flux: ${option}`),
  submit: () => ["flux", "batch"],
  submitted: ({ stdout }) => decimalId(lastLine(stdout, /^\S+$/) ?? ""),
  // Of this user. By itself it stops at a thousand.
  list: () => ["flux", "jobs", "-a", "--count=10000", `--format=${FORMAT}`],
  listed: (output) => (output.code === 0 ? jobsOf(output.stdout) : undefined),
  history: {
    command: (ids) => ["flux", "jobs", `--format=${FORMAT}`, ...ids],
    // 1: some are unknown.
    parse: (output) =>
      output.code === 0 || output.code === 1
        ? jobsOf(output.stdout)?.filter(({ state }) => state === "gone")
        : undefined,
  },
  // TERM, and KILL five seconds later: there is no harder way.
  cancel: (ids) => [["flux", "cancel", ...ids]],
};

/** Long options; what flux batch does not know of, as memory and QOS, is left to free directives. */
function options({ options: config, exclude = [], ...job }: Job): string[] {
  const wanted = [config.nodeType, config.constraint].filter((part) => part !== undefined).join("&");
  const others = exclude.length === 0 ? "" : `-host:${exclude.join(",")}`;
  const features = others === "" || wanted === "" ? wanted + others : `(${wanted})&${others}`;
  return [
    // First, so that the walltime that we count with wins.
    ...config.directives,
    `--job-name=${job.name}`,
    `--output=${job.logFile}`,
    // Else the directory of whoever runs flux batch.
    `--cwd=${dirname(job.logFile)}`,
    `--nodes=${job.nodes}`,
    `--nslots=${job.nodes}`,
    `--cores-per-slot=${job.coresPerNode}`,
    ...(job.gpusPerNode === 0 ? [] : [`--gpus-per-slot=${job.gpusPerNode}`]),
    ...(config.exclusive ? ["--exclusive"] : []),
    // No --signal: it would reach the processes of tasks too, and the managers know when the time ends.
    ...(job.walltimeMs === null ? [] : [`--time-limit=${Math.ceil(job.walltimeMs / 1_000)}s`]),
    ...(config.queue === undefined ? [] : [`--queue=${config.queue}`]),
    ...(config.account === undefined ? [] : [`--bank=${config.account}`]),
    ...(features === "" ? [] : [`--requires="${features}"`]),
    ...(config.reservation === undefined ? [] : [`--setattr=system.reservation=${config.reservation}`]),
  ];
}

/** Below the head line, without which it is no list. Lines that are none of ours, as a site's banner, say nothing. */
function jobsOf(stdout: string): ListedJob[] | undefined {
  const whole = /^JOBID\|/m.test(stdout) && stdout.endsWith("\n");
  return whole ? onceEach(stdout.split("\n").map(fromLine)) : undefined;
}

function fromLine(line: string): ListedJob | undefined {
  const match = /^(\S+)\|([A-Z]+)\|([A-Z]*)\|(-?\d*)\|(\d*)\|([\w-]*)\|([^|]*)\|([^|]*)\|(.*)$/.exec(line) ?? [];
  const [, given, word, result, code, urgency, type, name, pending, note] = match as (string | undefined)[];
  const id = decimalId(given ?? "");
  if (id === undefined || !name) return undefined;
  const job = { id, name };
  if (word === "INACTIVE") {
    const end = inactive({
      result: result as string,
      code: code as string,
      type: type as string,
      note: note as string,
    });
    return end && { ...job, ...end };
  }
  const state = Object.hasOwn(FLUX_STATES, word as string) ? FLUX_STATES[word as string] : undefined;
  if (state === undefined) return undefined;
  if (state !== "pending") return { ...job, state, reason: word as string };
  if (urgency === "0") return { ...job, state: "held", reason: `${word}: its urgency is 0` };
  return { ...job, state, reason: pending ? `${word}: ${pending}` : (word as string) };
}
