/** LSF: bsub, bjobs, bkill, bhist. From IBM's documents for 10.1 and published answers, not from a run. */
import { dirname } from "node:path";
import type { CommandOutput, Dialect, Job, ListedJob } from "./dialect.ts";
import { type Fields, fromFields, fromHistory } from "./lsf-states.ts";
import { lastLine } from "./pbs-script.ts";
import { onceEach } from "./pbs-states.ts";

export const lsf: Dialect = {
  type: "lsf",
  nameLength: 64,
  excludesNodes: true,
  directives: (job) => options(job).map((option) => `#BSUB ${option}`),
  submit: () => ["bsub"],
  // "Job <123> is submitted to default queue <normal>."
  submitted: ({ stdout }) =>
    /^Job <(\d+)>/.exec(lastLine(stdout, /^Job <\d+> is submitted to .*queue <[^<>]+>\.$/) ?? "")?.[1],
  // All states of the last hour or so. Not by id: what is unknown becomes a record with an ERROR.
  list: () => ["bjobs", "-a", "-json", "-o", "jobid job_name stat exit_code exit_reason pend_reason"],
  listed: (output) => (isNone(output) ? [] : output.code === 0 ? fromJson(output.stdout) : undefined),
  plain: {
    list: () => ["bjobs", "-a", "-noheader", "-o", "jobid stat exit_code job_name delimiter='|'"],
    listed: (output) => (output.code === 0 ? fromLines(output.stdout) : undefined),
  },
  history: {
    // What bjobs has forgotten is in the event logs.
    command: (ids) => ["bhist", "-UF", "-n", "4", ...ids],
    parse: (output) => (output.code === 0 ? fromHistory(output.stdout) : undefined),
  },
  // `bkill -r` would forget jobs whose node does not answer, whether or not they live.
  cancel: (ids, { force }) => [...(force ? [["bkill", "-s", "KILL", ...ids]] : []), ["bkill", ...ids]],
};

function options({ options: config, exclude = [], ...job }: Job): string[] {
  const chosen = config.directives.some((text) => /^-(?:n|nnodes)\s/.test(text));
  const features = [config.nodeType, config.constraint?.replaceAll(/&+/g, " && ").replaceAll(/\|+/g, " || ")];
  const wanted = features.filter((part) => part !== undefined).join(" && ");
  const others = exclude.map((node) => `hname!='${node}'`);
  const select = wanted === "" || others.length === 0 ? [wanted, ...others] : [`(${wanted})`, ...others];
  return [
    // First, so that the walltime that we count with wins.
    ...config.directives,
    `-J ${job.name}`,
    `-o ${job.logFile}`,
    // Else the directory of whoever runs bsub.
    `-cwd ${dirname(job.logFile)}`,
    // A second start of the same job would be a second block that nobody asked for (FAULTS.md B6).
    "-rn",
    ...(chosen ? [] : [`-n ${job.nodes * job.coresPerNode}`, `-R "span[ptile=${job.coresPerNode}]"`]),
    // Whether a bare number is for a host or for a task is up to the site; LSF before 10.1.0.9 does not take the word.
    ...(job.memoryMbPerNode === null ? [] : [`-R "rusage[mem=${job.memoryMbPerNode}MB/host]"`]),
    ...(select.join("") === "" ? [] : [`-R "select[${select.filter(Boolean).join(" && ")}]"`]),
    ...(job.gpusPerNode === 0 ? [] : [`-gpu "num=${job.gpusPerNode}"`]),
    // No warning by -wa: it would reach the processes of tasks too, and the managers know when the walltime ends.
    ...(job.walltimeMs === null ? [] : [`-W ${hoursAndMinutes(job.walltimeMs)}`]),
    ...(config.exclusive ? ["-x"] : []),
    ...(config.queue === undefined ? [] : [`-q ${config.queue}`]),
    ...(config.account === undefined ? [] : [`-P ${config.account}`]),
    ...(config.qos === undefined ? [] : [`-sla ${config.qos}`]),
    ...(config.reservation === undefined ? [] : [`-U ${config.reservation}`]),
  ];
}

function hoursAndMinutes(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
}

/** It says so on stderr, with whatever exit code. */
function isNone({ stdout, stderr }: CommandOutput): boolean {
  return /^No (?:\w+ )?jobs? found\s*$/m.test(stderr) && (stdout.trim() === "" || fromJson(stdout)?.length === 0);
}

function fromJson(stdout: string): ListedJob[] | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    return undefined;
  }
  const { COMMAND: command, RECORDS: records } = (answer ?? {}) as { COMMAND?: unknown; RECORDS?: unknown };
  if (command !== "bjobs" || !Array.isArray(records)) return undefined;
  return onceEach(records.map((record) => fromFields((record ?? {}) as Fields)));
}

function fromLines(stdout: string): ListedJob[] | undefined {
  if (!stdout.endsWith("\n")) return undefined;
  const jobs = stdout.split("\n").map((line) => {
    const [, id, stat, code, name] = /^(\d+) *\|([A-Z_]+) *\|(-|\d*) *\|(.*)$/.exec(line) ?? [];
    return fromFields({ JOBID: id, JOB_NAME: name, STAT: stat, EXIT_CODE: code });
  });
  // Nothing that could be read is no answer.
  return jobs.some((job) => job !== undefined) ? onceEach(jobs) : undefined;
}
