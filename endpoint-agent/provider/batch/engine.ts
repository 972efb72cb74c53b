/** Blocks from a batch scheduler: one engine for all dialects. Unknown is never success (DESIGN.md promise 5). */
import { userInfo } from "node:os";
import { join } from "node:path";
import { createDiskGate } from "../../disk-gate.ts";
import type { BatchConfig } from "../../provider-config.ts";
import { lastWords } from "../last-words.ts";
import type { BlockRequest, JobId, JobStatus, Provider } from "../port.ts";
import { scriptLogOf } from "../script-log.ts";
import { type Absent, answers, type Contact, createAbsences } from "./absences.ts";
import type { CommandOutput, Dialect, Job, ListedJob } from "./dialect.ts";
import { createDoubts } from "./doubts.ts";
import { blockEnvironment, commandEnvironment } from "./environment.ts";
import { readExitFile } from "./exit-file.ts";
import { createListing } from "./listing.ts";
import { formatJobId, jobName, namePrefix, parseJobId } from "./names.ts";
import type { RunCommand } from "./run-command.ts";
import { batchScript } from "./script.ts";
import { huntStrays } from "./strays.ts";
import { DEFAULT_TIMING, type Timing } from "./timing.ts";
import { joined, wordsOf } from "./words.ts";

export type BatchOptions = {
  dialect: Dialect;
  config: BatchConfig;
  endpoint: string;
  node: { cores: number; memoryMb: number; gpus: number };
  /** the directory of a block, as in its request */
  dirOf(block: string): string;
  /** the log of its node 0, as in its request */
  logFileOf(block: string): string;
  /** blocks of earlier runs; other jobs of this endpoint are strays, and are cancelled */
  known: readonly string[];
  orphanTimeoutMs: number;
  /** what was last heard of a block's managers */
  contactOf(block: string): Contact | undefined;
  run: RunCommand;
  /** Brings the files here that blocks have written elsewhere. */
  bring?: ((blocks: readonly string[]) => Promise<void>) | undefined;
  /** whose jobs they are, where that is not who runs the agent */
  user?: string | undefined;
  /** of the agent */
  env: Readonly<Record<string, string | undefined>>;
  log: { warn(facts: object, text: string): void };
  signal: AbortSignal;
  timing?: Partial<Timing>;
};

/** Makes the provider; from now on it looks for strays. */
export function createBatchProvider(options: BatchOptions): Provider {
  const { dialect, config, endpoint, log, signal } = options;
  const timing: Timing = { ...DEFAULT_TIMING, intervalMs: config.statusIntervalMs, ...options.timing };
  const { now } = timing;
  const user = options.user ?? userInfo().username;
  const nameOf = (block: string) => jobName(endpoint, block, dialect.nameLength);
  const execute = (argv: readonly string[], input: string): Promise<CommandOutput> => {
    const env = commandEnvironment(options.env, dialect.env);
    return options.run(argv, { input, env, timeoutMs: config.commandTimeoutMs, signal });
  };
  const run = ([file, ...args]: readonly string[], input = ""): Promise<CommandOutput> => {
    const path = config.binDir === undefined ? (file as string) : join(config.binDir, file as string);
    return execute([path, ...args], input);
  };
  const askPlain = async () => dialect.plain?.listed(await run(dialect.plain.list(user)));
  const listing = createListing({
    ...timing,
    async ask() {
      const argv = dialect.list(user);
      const output = await run(argv);
      const jobs = dialect.listed(output) ?? (output.code === 0 ? await askPlain() : undefined);
      if (jobs === undefined) throw new Error(wordsOf(argv, output));
      return jobs;
    },
    onFailure: (err) => log.warn({ err }, "the scheduler does not say how its jobs are"),
  });
  /** Exit files are read with the whole agent waiting. */
  const diskAnswers = createDiskGate(options.dirOf(""));
  const exitFileOf = (block: string) => readExitFile(options.dirOf(block));
  const exitCodeOf = (block: string) => exitFileOf(block)?.end?.code;
  const absences = createAbsences({ ...options, timing, user, nameOf, run, exitCodeOf });
  const doubts = createDoubts({ ...options, timing, listing, nameOf, exitFileOf });

  const cancel = async (ids: readonly string[], { force }: { force: boolean }) => {
    const failures: string[] = [];
    for (let i = 0; i < ids.length; i += MAX_IDS) {
      for (const argv of dialect.cancel(ids.slice(i, i + MAX_IDS), { force })) {
        // The first may fail, as a signal to a job that has not started, and the next one is all that is needed.
        const output = await run(argv);
        if (output.code !== 0) failures.push(wordsOf(argv, output));
      }
    }
    listing.hasten();
    if (failures.length > 0) throw new Error(failures.join("; "));
  };
  const prefix = namePrefix(endpoint, dialect.nameLength);
  const strays = huntStrays({ ...options, listing, nameOf, prefix, cancel });
  /** Those that are gone, with what they themselves said last: it has to be brought here first where it is elsewhere. */
  const allWithWords = async (known: Map<JobId, JobStatus>) => {
    const gone = [...known].flatMap(([job, { state }]) => (state === "gone" ? parseJobId(job).block : []));
    if (gone.length > 0)
      await options.bring?.(gone).catch((err) => log.warn({ err }, "a block's last words are elsewhere"));
    for (const [job, status] of known) known.set(job, withWords(parseJobId(job).block, status));
    return known;
  };
  /** With what the block itself said last, as people look for the reason there. */
  const withWords = (block: string, status: JobStatus): JobStatus => {
    if (status.state !== "gone" || status.taken || exitCodeOf(block) === 0) return status;
    const code = exitCodeOf(block);
    const node = status.node ?? exitFileOf(block)?.host;
    const nodeLog = options.logFileOf(block);
    const last = lastWords(nodeLog, scriptLogOf(nodeLog));
    const reason = joined([status.reason, code === undefined ? undefined : `exit code ${code}`, last]);
    return { ...status, ...(node ? { node } : {}), reason };
  };

  return {
    get statusIntervalMs() {
      return listing.waitMs;
    },
    cancelGraceMs: timing.cancelGraceMs,
    excludesNodes: dialect.excludesNodes ?? false,
    get trouble() {
      return listing.failing ? listing.trouble : null;
    },
    async submit(request) {
      const { script, file, input, argv } = submission(options, request);
      if (file !== undefined) {
        const output = await execute([...WRITE, file], script);
        if (output.code !== 0) throw new Error(`its script cannot be written: ${wordsOf(["sh"], output)}`);
      }
      strays.own(request.name);
      const output = await run(argv, input);
      const id = output.code === 0 ? dialect.submitted(output) : undefined;
      if (id === undefined) {
        doubts.add(request.name, { since: now(), output });
        listing.hasten();
        throw new Error(wordsOf(argv, output));
      }
      absences.submitted(formatJobId(id, request.name));
      return formatJobId(id, request.name);
    },
    async status(ids) {
      const known = new Map<JobId, JobStatus>();
      const list = await listing.latest();
      if (ids.length > 0 && !(await diskAnswers())) return known;
      const absent: Absent[] = [];
      for (const job of ids) {
        const { id, block } = parseJobId(job);
        const listed = list?.jobs.get(id);
        const mine = listed && (listed.name === null || listed.name === nameOf(block)) ? listed : undefined;
        if (mine && !mine.unproven && !mine.settled) absences.over(job);
        const status = statusOf(mine, { ended: exitCodeOf(block), answers: answers(options.contactOf(block), timing) });
        if (status?.state === "gone") absences.forget(job);
        if (status) known.set(job, status);
        else {
          const { reason: given, cause, settled = false } = mine ?? {};
          absent.push({ job, given: given ?? undefined, cause, settled });
        }
      }
      if (!list) return allWithWords(known);
      for (const [job, status] of await absences.judge(absent, list)) known.set(job, status);
      await strays.check(list, ids).catch((err) => log.warn({ err }, "unwanted jobs cannot be cancelled"));
      return allWithWords(known);
    },
    cancel: (ids, force) =>
      cancel(
        ids.map((job) => parseJobId(job).id),
        force,
      ),
    async find(block) {
      strays.own(block);
      const id = await doubts.find(block);
      if (id === undefined) {
        strays.disown(block);
        return undefined;
      }
      return formatJobId(id, block);
    },
  };
}

/** Exactly what is submitted for a request: the script on standard input, or what describes it, and then the script in `file`. */
export function submission(
  options: Pick<BatchOptions, "dialect" | "config" | "endpoint" | "node">,
  request: BlockRequest,
): { script: string; file: string | undefined; input: string; argv: string[]; job: Job } {
  const { dialect, endpoint, node } = options;
  const config = { ...options.config, ...options.config.alternatives[(request.place ?? 0) - 1] };
  const logFile = scriptLogOf(request.logFiles[0] as string);
  for (const path of [logFile, request.dir]) {
    if (!PLAIN_PATH.test(path))
      throw new Error(`batch schedulers need a plain path, without spaces or quotes: ${path}`);
  }
  const job: Job = {
    name: jobName(endpoint, request.name, dialect.nameLength),
    nodes: request.nodes,
    coresPerNode: node.cores,
    memoryMbPerNode: config.requestMemory ? node.memoryMb : null,
    gpusPerNode: node.gpus,
    walltimeMs: request.walltimeMs,
    logFile,
    options: config,
    exclude: request.exclude ?? [],
  };
  const { dir, launch } = request;
  const script = batchScript(dialect, { job, dir, launch, env: blockEnvironment(request.env) });
  const argv = dialect.submit(job);
  if (!dialect.description) return { script, file: undefined, input: script, argv, job };
  const file = join(dir, "block.sh");
  return { script, file, input: dialect.description(job, file), argv, job };
}

/** By a command, as commands may run on another machine than this. */
const WRITE = ["/bin/sh", "-c", 'umask 077 && cat >"$1" && chmod 700 "$1"', "sh"];
/** Ids on one command line. */
const MAX_IDS = 100;
const PLAIN_PATH = /^\/[A-Za-z0-9_.+@:,=/-]*$/;

/** What the list, the block's own exit-code file and its managers say together; undefined when that is nothing. */
function statusOf(
  listed: ListedJob | undefined,
  facts: { ended: number | undefined; answers: boolean },
): JobStatus | undefined {
  if (facts.answers && (listed?.state === "gone" || listed === undefined)) {
    return listed && { state: "running", reason: `${listed.reason}, but its managers answer` };
  }
  const certain = listed !== undefined && !listed.unproven && !listed.settled;
  // The launcher waits for the managers, and they for all that they started. Why it ended, the scheduler knows better.
  if (facts.ended === 0 && !(certain && listed.state === "gone"))
    return { state: "gone", reason: "its script has ended" };
  if (!certain) return undefined;
  const { state, reason, hopeless, taken, cause, node } = listed;
  return {
    state,
    reason,
    ...(hopeless && { hopeless }),
    ...(taken && { taken }),
    ...(cause && { cause }),
    ...(node && state === "gone" && { node }),
  };
}
