/** Asks the provider how the blocks are, and sees to it that what follows is done. */
import type { BadNodes } from "./bad-nodes.ts";
import { type Block, busyOf, endOf, recordOf } from "./block.ts";
import type { BlockFiles } from "./block-files.ts";
import {
  diedAtOnce,
  enter,
  isProven,
  isUnwanted,
  minutesOverdue,
  nextStep,
  overdueInQueue,
  queuedMs,
} from "./block-steps.ts";
import type { Breaker } from "./breaker.ts";
import { uptimeMs } from "./clock.ts";
import type { Settings } from "./config.ts";
import type { Journal } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Managers } from "./managers.ts";
import type { JobId, JobStatus, Provider } from "./provider/port.ts";
import type { TellWhy } from "./work-ends.ts";

/** A block that is gone, of which it is still asked why: its managers were told to go before the scheduler said it. */
export type Unexplained = { job: JobId; until: number; tell: TellWhy };

export type WatchParts = {
  blocks: Map<string, Block>;
  policy: Settings["policy"];
  provider: Provider;
  files: BlockFiles;
  managers: Pick<Managers, "of">;
  journal: Journal;
  breaker: Breaker;
  badNodes: Pick<BadNodes, "inVain">;
  log: Log;
  closed(): boolean;
  unexplained: Set<Unexplained>;
  acts: {
    drain(block: Block, why: string): void;
    letGo(block: Block): void;
    cancel(block: Block, options: { force: boolean }): void;
    gone(block: Block, end: JobStatus): void;
    /** it will not start */
    gaveUp(block: Block, reason: string): void;
    /** it has a node that has failed */
    failed(reason: string, node?: string): void;
    changed(): void;
  };
};

/** A cancelled block that is still there after this is killed, unless the provider says otherwise. */
const CANCEL_MS = 10_000;

/** Makes one look at all blocks; it rejects when the provider says nothing. */
export function createWatch(parts: WatchParts): () => Promise<void> {
  const { blocks, policy, provider, files, managers, journal, breaker, log, acts } = parts;

  /** Looks for the job of a submission that was not answered. */
  const look = async (block: Block) => {
    const job = await provider.find(block.id);
    if (!blocks.has(block.id)) return;
    if (job === undefined) return acts.gone(block, { state: "gone", reason: block.reason ?? "it was never started" });
    block.job = job;
    await journal.append([recordOf(block)]);
    log.info({ block: block.id, job }, "found the job of a submission that was not answered");
    if (parts.closed()) acts.cancel(block, { force: true });
    // The submission failed only for us: it is there, so it is used.
    else if (block.state === "stopping") block.state = "pending";
  };

  /** It will not run: that counts as a failed submission, and it is cancelled. */
  const giveUp = (block: Block, why: string) => {
    log.error({ block: block.id, reason: why }, "the block waits in vain: it is cancelled");
    acts.gaveUp(block, why);
    acts.cancel(block, { force: false });
    acts.changed();
  };

  /** The scheduler has given it up. It takes no place there any more, and gets no work; what it had waits for the proof of its end. */
  const lose = (block: Block, { reason, cause }: JobStatus) => {
    if (block.state === "lost") return;
    log.error({ block: block.id, job: block.job, reason }, "the scheduler has lost the block");
    enter(block, "lost");
    block.reason = reason;
    block.cause = cause;
    acts.letGo(block);
    acts.changed();
  };

  const apply = (block: Block, known: JobStatus) => {
    if (known.state === "gone") return acts.gone(block, known);
    if (known.state === "lost") return lose(block, known);
    const waits = block.state === "pending";
    if (waits && known.state === "running") enter(block, "running");
    const held = known.state === "held";
    if (!isUnwanted(block) && (block.reason !== known.reason || block.held !== held)) {
      block.reason = known.reason;
      block.held = held;
      acts.changed();
    }
    if (known.hopeless && waits) giveUp(block, `${known.reason ?? "it"}: it would never start`);
  };

  /** Nodes of it whose manager ended before it had begun. */
  const findFailedNodes = (block: Block) => {
    const own = managers.of(block.id);
    if (own.filter(({ link }) => link).length >= block.nodes || block.state === "pending") return;
    for (const { node, host, reason } of files.failedNodes?.(block.id) ?? []) {
      const manager = own.find(({ hello }) => hello.node === node);
      if (block.failedNodes.has(node) || (manager && (manager.link || !diedAtOnce(manager)))) continue;
      block.failedNodes.add(node);
      // With others at work it is the node's trouble and not the block's.
      if (own.some(({ link }) => link)) acts.failed(reason, host);
    }
  };

  const advance = (block: Block) => {
    const own = managers.of(block.id);
    const now = uptimeMs();
    if (!isUnwanted(block) && own.length > 0 && own.every(({ draining }) => draining))
      acts.drain(block, "its managers drain");
    const waitedMs = queuedMs(block, { now, wallNow: Date.now() });
    const why = overdueInQueue(block, { waitedMs, maxQueueTimeMs: policy.maxQueueTimeMs });
    if (why !== undefined) return giveUp(block, why);
    // Where all nodes were excluded it would wait for ever.
    if (block.state === "pending" && parts.badNodes.inVain(block.exclude, now)) {
      log.warn(
        { block: block.id, exclude: block.exclude },
        "the nodes that the block keeps away from are let in again: it is asked for anew",
      );
      return acts.cancel(block, { force: false });
    }
    // Once: what others like it come to later is counted anew.
    if (!block.proven && isProven(own, now)) {
      block.proven = true;
      breaker.succeeded();
    }
    findFailedNodes(block);
    const cancelGraceMs = provider.cancelGraceMs ?? CANCEL_MS;
    const step = nextStep(block, { now, busy: busyOf(own), endsAt: endOf(own), cancelGraceMs });
    if (step === "drain") acts.drain(block, "its walltime ends soon");
    else if (step !== undefined) acts.cancel(block, { force: step === "kill" });
    const minutes = step === "kill" ? minutesOverdue(block, now) : undefined;
    if (minutes === undefined) return;
    log.error({ block: block.id, job: block.job, minutes }, "ALERT: the block was cancelled again and does not end");
  };

  const explain = (status: Map<JobId, JobStatus> | undefined) => {
    for (const one of parts.unexplained) {
      const known = status?.get(one.job);
      if (known?.cause) one.tell({ cause: known.cause, reason: known.reason ?? "it has ended" });
      if (known?.cause || uptimeMs() > one.until) parts.unexplained.delete(one);
    }
  };

  return async () => {
    // What it says of the blocks is unknown until it answers, as a scheduler's word is.
    if (blocks.size > 0 && (await files.answers?.()) === false) return;
    for (const block of blocks.values()) {
      if (block.job !== null || (block.state === "pending" && !block.adopted)) continue;
      await look(block).catch((err) => log.debug({ err, block: block.id }, "its job is not known yet"));
    }
    const jobs = [...blocks.values()].filter((block) => block.job !== null);
    const ids = [...jobs.map((block) => block.job as string), ...[...parts.unexplained].map(({ job }) => job)];
    const status = ids.length === 0 ? undefined : await provider.status(ids);
    explain(status);
    if (blocks.size > 0 && (await files.answers?.()) === false) return;
    for (const block of jobs) {
      if (!blocks.has(block.id)) continue;
      const known = status?.get(block.job as string);
      // Unknown: nothing was said, so nothing changes (DESIGN.md promise 5).
      if (known !== undefined) apply(block, known);
      if (blocks.has(block.id)) advance(block);
    }
  };
}
