/** What a test can tell a stand-in, and what it can see of it. README.md says what each does. */

export type Fault = {
  /** the command it strikes; default: all */
  command?: string;
  /** only when this regular expression matches the arguments, joined by spaces */
  when?: string;
  /** how often; default: always */
  times?: number;
} & (
  | { do: "answer"; stdout?: string; stderr?: string; code?: number }
  | { do: "hang"; forMs?: number }
  | { do: "down" }
  | { do: "ignore" }
  | { do: "lose"; code?: number; stderr?: string }
  | { do: "mangle"; how: "empty" | "half" | "html" | "binary" | "banner" | "shouted" }
  | { do: "mangle"; how?: "text"; text: string }
);

/** Jobs by number or by name. */
type Jobs = readonly (number | string)[];

export type Control = {
  faults?: readonly Fault[];
  /** how many nodes there are */
  nodes?: number;
  startDelayMs?: number;
  /** how long a job whose script has ended is shown as ending */
  endDelayMs?: number;
  /** between TERM and KILL */
  killDelayMs?: number;
  /** how late the walltime is noticed */
  walltimeSlackMs?: number;
  /** how long ended jobs are shown */
  keepMs?: number;
  neverStart?: true | Jobs;
  forget?: true | Jobs;
  kill?: Jobs;
  requeue?: Jobs;
  /** what the scheduler says about jobs that wait */
  pendingComment?: string;
};

export type StandInJob = {
  n: number;
  id: string;
  name: string;
  state: "queued" | "held" | "running" | "ending" | "done";
  nodes: number;
  walltimeMs?: number;
  hosts?: string[];
  pid?: number;
  starts: number;
  cause?: string;
  exit?: { code?: number; signal?: number } | null;
  out: string;
  /** what the stand-in for Slurm was asked for, by the options' names */
  given?: Readonly<Record<string, string>>;
};

export type StandInCall = {
  command: string;
  argv: string[];
  pid: number;
  /** milliseconds since the epoch */
  start: number;
  end?: number;
  code?: number;
};
