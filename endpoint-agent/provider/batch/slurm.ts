/** Slurm: sbatch, squeue, scancel, and sacct where there is accounting. Recorded from 22.05.8. */
import type { CommandOutput, Dialect, Job, ListedJob } from "./dialect.ts";
import { isHopeless, SLURM_CODES, SLURM_STATES } from "./slurm-states.ts";

export const slurm: Dialect = {
  type: "slurm",
  nameLength: 64,
  excludesNodes: true,
  // Dates are else in the caller's time zone, without saying so.
  env: { SLURM_TIME_FORMAT: "%s" },
  directives: (job) => options(job).map((option) => `#SBATCH ${option}`),
  submit: () => ["sbatch", "--parsable"],
  // "<id>", or "<id>;<cluster>"
  submitted: ({ stdout }) => /^(\d+)(?:;\S+)?\s*$/.exec(stdout)?.[1],
  // Not by id: one unknown id fails the whole question. Not --json: its shape changes with each release.
  list: () => ["squeue", "--me", "--states=all", "--format=%i|%t|%T|%r|%S|%N|%j"],
  listed: (output) => (isWhole(output) ? lines(output, fromSqueue) : undefined),
  history: {
    command: (ids) => [
      "sacct",
      "--allocations",
      "--noheader",
      "--parsable2",
      `--jobs=${ids.join(",")}`,
      "--format=JobIDRaw,State,ExitCode,NodeList,JobName",
    ],
    // It lags behind the truth, so only ends count.
    parse: (output) =>
      output.code === 0 ? lines(output, fromSacct).filter(({ state }) => state === "gone") : undefined,
  },
  // Silent about what is unknown or has ended. KILL cancels as well, without the grace.
  cancel: (ids, { force }) => [["scancel", ...(force ? ["--signal=KILL", "--full"] : []), ...ids]],
};

function options({ options: config, exclude = [], ...job }: Job): string[] {
  const constraint = [config.constraint, config.nodeType].filter((part) => part !== undefined).join("&");
  const given: [string, string | number | undefined][] = [
    ["job-name", job.name],
    // % begins a pattern
    ["output", job.logFile.replaceAll("%", "%%")],
    ["open-mode", "append"],
    ["nodes", job.nodes],
    ["ntasks-per-node", 1],
    ["cpus-per-task", job.coresPerNode],
    ["mem", job.memoryMbPerNode === null ? undefined : `${job.memoryMbPerNode}M`],
    ["gpus-per-node", job.gpusPerNode === 0 ? undefined : job.gpusPerNode],
    ["time", job.walltimeMs === null ? undefined : Math.ceil(job.walltimeMs / 60_000)],
    // Only the batch shell: it forwards. Slurm sends it up to a minute early.
    ["signal", warnBefore(job.walltimeMs, config.signalBeforeEndMs)],
    ["partition", config.queue],
    ["account", config.account],
    ["qos", config.qos],
    ["reservation", config.reservation],
    ["constraint", constraint === "" ? undefined : constraint],
    ["exclude", exclude.length === 0 ? undefined : exclude.join(",")],
  ];
  return [
    ...given.filter(([, value]) => value !== undefined).map(([name, value]) => `--${name}=${value}`),
    // A second start of the same job would be a second block that nobody asked for (FAULTS.md B6).
    "--no-requeue",
    ...(config.exclusive ? ["--exclusive"] : []),
    ...config.directives,
  ];
}

/** Of a short block not more than a tenth. */
function warnBefore(walltimeMs: number | null, beforeMs: number): string | undefined {
  if (walltimeMs === null) return undefined;
  return `B:USR1@${Math.ceil(Math.min(beforeMs, walltimeMs / 10) / 1000)}`;
}

/** Lines that are none of ours, as a site's banner, say nothing. */
function lines(output: CommandOutput, parse: (line: string) => ListedJob | undefined): ListedJob[] {
  return output.stdout
    .split("\n")
    .map(parse)
    .filter((job) => job !== undefined);
}

function isWhole({ code, stdout }: CommandOutput): boolean {
  return code === 0 && HEADER.test(stdout) && stdout.endsWith("\n");
}

/** Without it an empty answer would be no different from an empty list. */
const HEADER = /^ *JOBID\|.*\|NAME *$/m;
const LISTED = /^ *(\d+)\|([A-Z_]+)\|([A-Z_]+)\|([^|]*)\|([^|]*)\|([^|]*)\|(.*)$/;

/** The name comes last, as it may hold anything. Array tasks and parts of heterogeneous jobs are not ours. */
function fromSqueue(line: string): ListedJob | undefined {
  const [, id, code, word, reason, start, nodes, name] = LISTED.exec(line) ?? [];
  const meaning = SLURM_STATES[word ?? ""];
  if (id === undefined || meaning === undefined) return undefined;
  if ((SLURM_CODES[word as string] ?? code) !== code) return undefined;
  const waits = meaning.state === "pending" || meaning.state === "held";
  return {
    id,
    name: name as string,
    ...meaning,
    ...oneNode(nodes as string),
    reason: words(
      word as string,
      waits ? (reason as string) : "",
      meaning.state === "pending" ? (start as string) : "",
    ),
    ...(waits && isHopeless(reason as string) ? { hopeless: true as const } : {}),
  };
}

function fromSacct(line: string): ListedJob | undefined {
  const [, id, word, code, nodes, name] = /^(\d+)\|([A-Z_]+)(?: by \d+)?\|(\d+:\d+)\|([^|]*)\|(.*)$/.exec(line) ?? [];
  const meaning = SLURM_STATES[word ?? ""];
  if (id === undefined || meaning === undefined) return undefined;
  return {
    id,
    name: name as string,
    ...meaning,
    ...oneNode(nodes as string),
    reason: words(word as string, code === "0:0" ? "" : `exit code ${code}`),
  };
}

/** The name of the job's node, if it has one and no list of several. */
function oneNode(nodes: string): { node?: string } {
  return /^[A-Za-z0-9][\w.-]*$/.test(nodes.trim()) ? { node: nodes.trim() } : {};
}

/** A reason of a job that runs or has ended is an old one. A start that is expected is for people. */
function words(state: string, reason: string, start = ""): string {
  const about = reason === "" || reason === "None" ? [] : [reason];
  if (/^\d{9,11}$/.test(start)) about.push(`expected to start ${new Date(Number(start) * 1000).toISOString()}`);
  return about.length === 0 ? state : `${state} (${about.join(", ")})`;
}
