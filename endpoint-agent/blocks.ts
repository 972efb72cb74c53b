/** Starts, watches and ends blocks, as the scaler decides (DESIGN.md sections 4 and 5). */
import type { Heartbeat } from "../protocol/messages.ts";
import { adoptedBlock, type Block, busyOf, endOf, newBlock, recordOf, snapshotOf, summaryOfBlock } from "./block.ts";
import type { BlockFiles } from "./block-files.ts";
import { endOfBlock, enter, isUnwanted, minutesOverdue, nextStep } from "./block-steps.ts";
import { type Breaker, failingOf } from "./breaker.ts";
import { uptimeMs } from "./clock.ts";
import type { Settings } from "./config.ts";
import { crashPoint } from "./crash-point.ts";
import type { Journal } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Managers } from "./managers.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import type { JobStatus, Provider } from "./provider/port.ts";
import { decide, nextIdleEnd, type Snapshot } from "./scaler.ts";

export type BlocksOptions = {
  settings: Pick<Settings, "policy" | "node" | "provider">;
  provider: Provider;
  files: BlockFiles;
  journal: Journal;
  managers: Managers;
  breaker: Breaker;
  log: Log;
  /** tasks that want slots, by resource class */
  demand(): Record<string, number>;
  /** its end is proven: what its managers had is lost; `taken`: the site ended it, which is nobody's fault */
  onGone(block: string, end: { reason: string; taken: boolean }): void;
  /** there is something new to tell of them */
  onChange(): void;
};

export type Blocks = {
  /** Looks at demand and blocks, and acts; cheap enough for every change. */
  evaluate(): void;
  /** Asks the provider now. */
  check(): void;
  secretOf(block: string): string | undefined;
  /** A manager of the block has connected. */
  connected(block: string): void;
  /** Starts nothing any more and lets the blocks end. */
  close(options: { force: boolean }): void;
  /** Takes `close` back. */
  reopen(): void;
  summary(): Heartbeat["summary"]["blocks"];
  readonly count: number;
  readonly trouble: string | null;
  /** The failures in a row, from the first one on. */
  failing(): Heartbeat["summary"]["failing"];
  /** Resolves when no block is left. */
  ended(): Promise<void>;
  stop(): void;
};

/** A cancelled block that is still there after this is killed, unless the provider says otherwise. */
const CANCEL_MS = 10_000;
const MIN_CHECK_MS = 50;
/** Takes over the journal's blocks and begins to look after them. */
export function createBlocks(options: BlocksOptions): Blocks {
  const { provider, files, journal, managers, breaker, log, settings } = options;
  const blocks = new Map<string, Block>();
  let begun = false;
  let closed = false;
  let stopped = false;
  let lastDemandAt = uptimeMs();
  let growing = false;
  let checkDueAt = Number.POSITIVE_INFINITY;
  let idleDueAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const waiters: (() => void)[] = [];

  for (const record of journal.state.blocks.values()) {
    begun = true;
    blocks.set(record.id, adoptedBlock(record));
  }

  const snapshot = (): Snapshot => {
    const demand = options.demand();
    const now = uptimeMs();
    if (Object.values(demand).some((count) => count > 0)) lastDemandAt = now;
    return {
      now,
      demand,
      node: settings.node,
      begun,
      blocks: [...blocks.values()].map((block) => snapshotOf(block, { managers: managers.of(block.id), lastDemandAt })),
    };
  };

  const evaluate = () => {
    if (stopped) return;
    if (!closed) {
      const now = snapshot();
      const { start, stop } = decide(now, settings.policy);
      idleDueAt = nextIdleEnd(now, settings.policy);
      for (const id of stop) drain(blocks.get(id) as Block);
      if (start > 0) void grow();
    }
    schedule();
  };

  /** One after the other: a scheduler that refuses the first is not asked for two hundred more. */
  const grow = async () => {
    if (growing) return;
    growing = true;
    const may = () => !stopped && !closed && !journal.trouble && breaker.mayTry(uptimeMs());
    while (may() && decide(snapshot(), settings.policy).start > 0) {
      begun = true;
      await submit();
    }
    growing = false;
    schedule();
  };

  const submit = async () => {
    const block = newBlock(settings.policy);
    blocks.set(block.id, block);
    try {
      // First: a submission whose answer is lost is looked for, not repeated (FAULTS.md B12); a disk that hangs is met here (A10).
      await journal.append([recordOf(block)]);
      block.job = await provider.submit(files.prepare(block));
      crashPoint("block-submitted");
      await journal.append([recordOf(block)]);
      log.info({ block: block.id, job: block.job }, "block submitted");
      if (closed) cancel(block, { force: true });
    } catch (error) {
      log.error({ err: error, block: block.id }, "a block cannot be submitted");
      failed((error as Error).message);
      enter(block, "stopping");
      block.reason = (error as Error).message;
    }
    options.onChange();
    void check();
  };

  const failed = (reason: string) => {
    breaker.failed(uptimeMs(), reason);
    if (breaker.trouble !== null) log.error({ trouble: breaker.trouble }, "blocks are held back");
  };

  const drain = (block: Block, why = "nothing waits for it") => {
    log.info({ block: block.id, why }, "block let go");
    enter(block, "draining");
    const own = managers.of(block.id);
    for (const manager of own) {
      manager.draining = true;
      manager.link?.send({ kind: "drain" });
    }
    if (own.every((manager) => !manager.link)) cancel(block, { force: false });
  };

  const cancel = (block: Block, { force }: { force: boolean }) => {
    enter(block, force ? "killed" : "stopping");
    block.cancelledAt ??= block.since;
    if (block.job === null) return;
    provider
      .cancel([block.job], { force })
      .catch((error) => log.warn({ err: error, block: block.id }, "cancel failed"));
  };

  const gone = (block: Block, { reason, taken }: Pick<JobStatus, "reason" | "taken">) => {
    blocks.delete(block.id);
    const end = endOfBlock(block, { reason, taken, now: uptimeMs(), endsAt: endOf(managers.of(block.id)) });
    log[isUnwanted(block) ? "info" : "warn"]({ block: block.id, ...end }, "block ended");
    if (end.failed) failed(end.reason);
    options.onGone(block.id, end);
    options.onChange();
    files.remove(block.id);
    journal.note([{ kind: "block-gone", id: block.id }]);
    if (blocks.size === 0) for (const resolve of waiters.splice(0)) resolve();
    evaluate();
  };

  /** Looks for the job of a submission that was not answered. */
  const look = async (block: Block) => {
    const job = await provider.find(block.id);
    if (!blocks.has(block.id)) return;
    if (job === undefined) return gone(block, { reason: block.reason ?? "it was never started" });
    block.job = job;
    await journal.append([recordOf(block)]);
    log.info({ block: block.id, job }, "found the job of a submission that was not answered");
    if (closed) cancel(block, { force: true });
    // The submission failed only for us: it is there, so it is used.
    else if (block.state === "stopping") block.state = "pending";
  };

  const apply = (block: Block, known: JobStatus) => {
    if (known.state === "gone") return gone(block, known);
    const waits = block.state === "pending";
    if (waits && known.state === "running") enter(block, "running");
    const held = known.state === "held";
    if (!isUnwanted(block) && (block.reason !== known.reason || block.held !== held)) {
      block.reason = known.reason;
      block.held = held;
      options.onChange();
    }
    if (!known.hopeless || !waits) return;
    log.error({ block: block.id, reason: known.reason }, "the block would never start: it is cancelled");
    failed(`${known.reason ?? "it"}: it would never start`);
    cancel(block, { force: false });
    options.onChange();
  };

  const checkOnce = async () => {
    for (const block of blocks.values()) {
      if (block.job !== null || (block.state === "pending" && !block.adopted)) continue;
      await look(block).catch((err) => log.debug({ err, block: block.id }, "its job is not known yet"));
    }
    const jobs = [...blocks.values()].filter((block) => block.job !== null);
    const status = jobs.length === 0 ? undefined : await provider.status(jobs.map((block) => block.job as string));
    for (const block of jobs) {
      if (!blocks.has(block.id)) continue;
      const known = status?.get(block.job as string);
      // Unknown: nothing was said, so nothing changes (DESIGN.md promise 5).
      if (known !== undefined) apply(block, known);
      if (blocks.has(block.id)) advance(block);
    }
  };

  const advance = (block: Block) => {
    const own = managers.of(block.id);
    const now = uptimeMs();
    if (!isUnwanted(block) && own.length > 0 && own.every(({ draining }) => draining))
      drain(block, "its managers drain");
    const cancelGraceMs = provider.cancelGraceMs ?? CANCEL_MS;
    const step = nextStep(block, { now, busy: busyOf(own), endsAt: endOf(own), cancelGraceMs });
    if (step === "drain") drain(block, "its walltime ends soon");
    else if (step !== undefined) cancel(block, { force: step === "kill" });
    const minutes = step === "kill" ? minutesOverdue(block, now) : undefined;
    if (minutes === undefined) return;
    log.error({ block: block.id, job: block.job, minutes }, "ALERT: the block was cancelled again and does not end");
  };

  const check = oneAtATime(async () => {
    if (stopped) return;
    await checkOnce().catch((error) => log.warn({ err: error }, "the provider does not say how the blocks are"));
    checkDueAt = Number.POSITIVE_INFINITY;
    schedule();
  });

  /** Something is due only while there are blocks, or submissions are held back. */
  const schedule = () => {
    clearTimeout(timer);
    if (stopped) return;
    const now = uptimeMs();
    // Not put off by what happens meanwhile.
    if (blocks.size > 0) checkDueAt = Math.min(checkDueAt, now + Math.max(MIN_CHECK_MS, provider.statusIntervalMs));
    const dueAt = blocks.size > 0 ? Math.min(checkDueAt, idleDueAt ?? checkDueAt) : breaker.nextTry(now);
    if (dueAt === undefined) return;
    const wake = () => {
      if (blocks.size > 0 && uptimeMs() >= checkDueAt) void check();
      evaluate();
    };
    timer = setTimeout(wake, Math.max(MIN_CHECK_MS, dueAt - now));
  };
  void check();

  return {
    evaluate,
    check: () => void check(),
    secretOf: (block) => (blocks.has(block) ? files.secretOf(block) : undefined),
    connected(id) {
      const block = blocks.get(id);
      if (!block) return;
      if (block.state === "pending") enter(block, "running");
      block.connected = true;
      breaker.succeeded();
      options.onChange();
    },
    close({ force }) {
      closed = true;
      for (const block of blocks.values()) {
        if (force) cancel(block, { force: true });
        else if (block.state === "pending" || block.state === "running") drain(block);
      }
      void check();
    },
    reopen() {
      closed = false;
      evaluate();
    },
    summary: () => [...blocks.values()].map((block) => summaryOfBlock(block, managers.of(block.id))),
    get count() {
      return blocks.size;
    },
    get trouble() {
      return breaker.trouble ?? provider.trouble ?? null;
    },
    failing: () => failingOf(breaker, uptimeMs()),
    ended: () => (blocks.size === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
