/** The port to whatever gives blocks: a batch scheduler, a cloud, or this machine (DESIGN.md section 5). */

/** What a provider calls a block. Opaque to everybody else. */
export type JobId = string;

export type BlockRequest = {
  /** the block's id; unique for ever, and what `find` finds it by */
  name: string;
  nodes: number;
  walltimeMs: number | null;
  /** argv that starts the manager of each node, when started on that node */
  commands: string[][];
  /** argv for the block's script: the launcher's, which starts one manager on each node */
  launch: string[];
  /** where each node's standard output and error go */
  logFiles: string[];
  env: Readonly<Record<string, string>>;
  /** 0700, the block's own, on a file system that its nodes see */
  dir: string;
  /** nodes that it is not to come up on, where the provider can say so */
  exclude?: readonly string[];
  /** which of the configured places it is asked for at: 0 the first, then `alternatives` */
  place?: number;
};

/** `lost`: the scheduler has given it up, and whether its processes have ended is not known. It takes no place there any more. */
export type JobState = "pending" | "running" | "held" | "lost" | "gone";
/** Why a site ended a block. */
export type TakenCause = "preempted" | "walltime" | "cancelled" | "node-failed";
/** `reason` is the scheduler's own word, for people. */
export type JobStatus = {
  state: JobState;
  reason: string | null;
  /** it will never start as it was asked for: cancelled, and counted as a failed submission */
  hopeless?: true;
  /** gone: the site ended it, by walltime, preemption or a cancel; work that it had counts no attempt */
  taken?: true;
  /** taken, or lost: why, where the scheduler says it */
  cause?: TakenCause;
  /** the node that it came up on, if that is one and known */
  node?: string;
};

export type Provider = {
  /** When `status` can have something new, from now. It may be asked at any time; then it says what it knows. */
  readonly statusIntervalMs: number;
  /** How long a cancelled job may take to end before it is cancelled again, with force. Default: 10 s. */
  readonly cancelGraceMs?: number;
  /** Why nothing is known of the jobs, in the scheduler's own words; null while it answers. */
  readonly trouble?: string | null;
  /** It keeps blocks away from nodes that a request excludes. */
  readonly excludesNodes?: boolean;
  /** Asks for a block. When it rejects, whether the block exists is unknown: `find` tells. */
  submit(request: BlockRequest): Promise<JobId>;
  /**
   * What is known of these jobs. One that is missing from the answer is unknown, never gone. `gone` is proof: nothing of
   * the block runs any more.
   */
  status(ids: readonly JobId[]): Promise<Map<JobId, JobStatus>>;
  /** Asks for their end; `status` says when it came. `force` does not leave time for goodbyes. */
  cancel(ids: readonly JobId[], options: { force: boolean }): Promise<void>;
  /**
   * The job of a block whose submission was not answered, or undefined when there is certainly none. Rejects while that is
   * not known.
   */
  find(name: string): Promise<JobId | undefined>;
};
