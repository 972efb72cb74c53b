/** Starts, watches and ends blocks, as the scaler decides (DESIGN.md sections 4 and 5). */
import type { Heartbeat } from "../protocol/messages.ts";
import { adoptedBlock, type Block, busyOf, newBlock, recordOf, snapshotOf, summaryOfBlock } from "./block.ts";
import type { BlockFiles } from "./block-files.ts";
import type { Breaker } from "./breaker.ts";
import { uptimeMs } from "./clock.ts";
import type { Settings } from "./config.ts";
import type { Journal } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Managers } from "./managers.ts";
import type { Provider } from "./provider/port.ts";
import { type Decision, decide, type Snapshot } from "./scaler.ts";

export type BlocksOptions = {
  settings: Pick<Settings, "policy" | "node">;
  provider: Provider;
  files: BlockFiles;
  journal: Journal;
  managers: Managers;
  breaker: Breaker;
  log: Log;
  /** tasks that want slots, by resource class */
  demand(): Record<string, number>;
  /** its end is proven: what its managers had is lost */
  onGone(block: string, reason: string): void;
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
  /** Resolves when no block is left. */
  ended(): Promise<void>;
  stop(): void;
};

/** A drained block that is still there after this is cancelled. */
const DRAIN_MS = 15_000;
/** A cancelled block that is still there after this is killed. */
const CANCEL_MS = 10_000;
/** A block that ends by itself within this time after its start has failed. */
const SHORT_LIFE_MS = 10_000;

/** Takes over the journal's blocks and begins to look after them. */
export function createBlocks(options: BlocksOptions): Blocks {
  const { provider, files, journal, managers, breaker, log, settings } = options;
  const blocks = new Map<string, Block>();
  let begun = false;
  let closed = false;
  let stopped = false;
  let lastDemandAt = uptimeMs();
  let checking = false;
  let checkAgain = false;
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
    const { start, stop }: Decision = closed ? { start: 0, stop: [] } : decide(snapshot(), settings.policy);
    for (const id of stop) drain(blocks.get(id) as Block);
    if (start > 0 && breaker.mayTry(uptimeMs())) {
      begun = true;
      for (let i = 0; i < start; i++) void submit();
    }
    schedule();
  };

  const submit = async () => {
    const block = newBlock(settings.policy);
    blocks.set(block.id, block);
    try {
      const request = files.prepare(block);
      // Before the submission, so that one whose answer is lost is looked for and not repeated (FAULTS.md B12).
      await journal.append([recordOf(block)]);
      block.job = await provider.submit(request);
      await journal.append([recordOf(block)]);
      log.info({ block: block.id, job: block.job }, "block submitted");
      options.onChange();
      if (closed) await provider.cancel([block.job], { force: true });
    } catch (error) {
      log.error({ err: error, block: block.id }, "a block cannot be submitted");
      breaker.failed(uptimeMs(), (error as Error).message);
      block.state = "stopping";
      block.reason = (error as Error).message;
      options.onChange();
    }
    void check();
  };

  const drain = (block: Block) => {
    log.info({ block: block.id }, "block let go");
    block.state = "draining";
    block.since = uptimeMs();
    const own = managers.of(block.id);
    for (const manager of own) {
      manager.draining = true;
      manager.link?.send({ kind: "drain" });
    }
    if (own.every((manager) => !manager.link)) cancel(block, { force: false });
  };

  const cancel = (block: Block, { force }: { force: boolean }) => {
    block.state = force ? "killed" : "stopping";
    block.since = uptimeMs();
    if (block.job === null) return;
    provider
      .cancel([block.job], { force })
      .catch((error) => log.warn({ err: error, block: block.id }, "cancel failed"));
  };

  const gone = async (block: Block, reason: string) => {
    blocks.delete(block.id);
    const unwanted = block.state === "draining" || block.state === "stopping" || block.state === "killed";
    log[unwanted ? "info" : "warn"]({ block: block.id, reason }, "block ended");
    if (!unwanted && (!block.connected || (!block.adopted && uptimeMs() - block.since < SHORT_LIFE_MS))) {
      breaker.failed(uptimeMs(), reason);
    }
    options.onGone(block.id, reason);
    options.onChange();
    files.remove(block.id);
    journal.note([{ kind: "block-gone", id: block.id }]);
    if (blocks.size === 0) for (const resolve of waiters.splice(0)) resolve();
    evaluate();
  };

  const checkOnce = async () => {
    for (const block of blocks.values()) {
      if (block.job !== null || (block.state === "pending" && !block.adopted)) continue;
      const job = await provider.find(block.id);
      if (job === undefined) await gone(block, block.reason ?? "it was never started");
      else {
        block.job = job;
        await journal.append([recordOf(block)]);
        // The submission failed only for us: it is there, so it is used.
        if (block.state === "stopping" && !closed) block.state = "pending";
      }
    }
    const jobs = [...blocks.values()].filter((block) => block.job !== null);
    if (jobs.length === 0) return;
    const status = await provider.status(jobs.map((block) => block.job as string));
    for (const block of jobs) {
      const known = status.get(block.job as string);
      // Unknown: nothing was said, so nothing changes (DESIGN.md promise 5).
      if (known === undefined || !blocks.has(block.id)) continue;
      if (known.state === "gone") await gone(block, known.reason ?? "it has ended");
      else {
        if (block.state === "pending" && known.state === "running") block.state = "running";
        if ((block.state === "pending" || block.state === "running") && block.reason !== known.reason) {
          block.reason = known.reason;
          options.onChange();
        }
        escalate(block);
      }
    }
  };

  const escalate = (block: Block) => {
    const age = uptimeMs() - block.since;
    const hasWork = busyOf(managers.of(block.id)) > 0;
    if (block.state === "draining" && age > DRAIN_MS && !hasWork) cancel(block, { force: false });
    else if (block.state === "stopping" && age > CANCEL_MS) cancel(block, { force: true });
    else if (block.state === "killed" && age > CANCEL_MS) cancel(block, { force: true });
  };

  const check = async () => {
    checkAgain = checking;
    if (checking || stopped) return;
    checking = true;
    do {
      checkAgain = false;
      await checkOnce().catch((error) => log.warn({ err: error }, "the provider does not say how the blocks are"));
    } while (checkAgain);
    checking = false;
    schedule();
  };

  /** Something is due only while there are blocks, or submissions are held back. */
  const schedule = () => {
    clearTimeout(timer);
    timer = undefined;
    if (stopped) return;
    const retryAt = breaker.nextTry(uptimeMs());
    if (blocks.size === 0 && retryAt === undefined) return;
    const wait = blocks.size > 0 ? provider.statusIntervalMs : Math.max(50, (retryAt as number) - uptimeMs());
    timer = setTimeout(() => {
      if (blocks.size > 0) void check();
      evaluate();
    }, wait);
  };
  void check();

  return {
    evaluate,
    check: () => void check(),
    secretOf: (block) => (blocks.has(block) ? files.secretOf(block) : undefined),
    connected(id) {
      const block = blocks.get(id);
      if (!block) return;
      if (block.state === "pending") {
        block.state = "running";
        block.since = uptimeMs();
      }
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
      return breaker.trouble;
    },
    ended: () => (blocks.size === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
