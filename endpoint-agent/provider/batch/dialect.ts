/** What differs between batch schedulers: data and pure functions, no I/O (DESIGN.md section 5). One engine runs them all. */
import type { BatchConfig } from "../../provider-config.ts";
import type { JobId, JobState, TakenCause } from "../port.ts";

/** How a scheduler's command ended. `code` is null when a signal or the engine's timeout ended it. */
export type CommandOutput = { code: number | null; stdout: string; stderr: string };

/** What a block asks of the scheduler. Every text in it was checked to be a plain token or an absolute path. */
export type Job = {
  /** unique for ever, of the scheduler's name alphabet, at most `nameLength` long; `find` goes by it */
  name: string;
  nodes: number;
  coresPerNode: number;
  /** null: not asked for */
  memoryMbPerNode: number | null;
  gpusPerNode: number;
  walltimeMs: number | null;
  /** where the script's own standard output and error go, joined */
  logFile: string;
  options: BatchConfig;
  /** nodes that it is not to come up on; their names are checked tokens. Only a dialect that `excludesNodes` gets any */
  exclude?: readonly string[];
};

/** One line of the scheduler's list. */
export type ListedJob = {
  id: JobId;
  /** null when the scheduler cuts or hides names: then the id alone decides */
  name: string | null;
  state: JobState;
  /** the scheduler's own words: the state and, where it gives one, the reason, an exit status or a comment */
  reason: string | null;
  /** it waits for something that will never come, as a partition that is too small */
  hopeless?: true;
  /** gone: the scheduler has given it up, but its processes may live, as after the loss of a node's connection */
  unproven?: true;
  /** gone: for certain, but only the history tells how; if that does not know it, it was never started */
  settled?: true;
  /** gone: the site ended it, by walltime, preemption or a cancel: not the fault of what ran in it */
  taken?: true;
  /** taken: why, where the scheduler says it */
  cause?: TakenCause;
  /** the node that it runs or ran on, by the scheduler's name, where the list has it and it is one */
  node?: string;
};

export type Dialect = {
  readonly type: BatchConfig["type"];
  /** how long a job's name may be */
  readonly nameLength: number;
  /** variables that its commands need, as one that sets the form of dates */
  readonly env?: Readonly<Record<string, string>>;
  /** it can keep a job away from nodes by their names */
  readonly excludesNodes?: true;
  /** The directive lines of the script, below its first line. */
  directives(job: Job): string[];
  /**
   * What the command reads in place of the script, where that is a file of its own, as HTCondor's submit description: `script` is
   * the path of the script, in the block's directory.
   */
  description?(job: Job, script: string): string;
  /** The command that submits a script, or its description, given on its standard input. */
  submit(job: Job): string[];
  /** The id in the answer of a submission that worked; undefined when the answer holds none: then its outcome is unknown. */
  submitted(output: CommandOutput): JobId | undefined;
  /** The one command that lists all jobs of this user, or of everybody where it cannot be asked for one user. */
  list(user: string): string[];
  /** What the list says; undefined when it says nothing that can be trusted. A job that is not in it may still live. */
  listed(output: CommandOutput): ListedJob[] | undefined;
  /** Another way to list, for when `list` worked (exit 0) and its answer cannot be understood, as PBS's broken JSON. */
  readonly plain?: {
    list(user: string): string[];
    listed(output: CommandOutput): ListedJob[] | undefined;
  };
  /** A second source for jobs that the list no longer has, as `sacct`; absent where the scheduler has none. */
  readonly history?: {
    /** `names` are those of the same jobs. */
    command(ids: readonly JobId[], user: string, names?: readonly string[]): string[];
    /** Ended jobs among those asked for; undefined when nothing can be trusted. */
    parse(output: CommandOutput): ListedJob[] | undefined;
  };
  /** Commands that end jobs, in order. `force` where the scheduler has a harder way. */
  cancel(ids: readonly JobId[], options: { force: boolean }): string[][];
};
