/** Starts, watches and ends blocks, as the scaler decides (DESIGN.md sections 4 and 5). */
import { createBadNodes } from "./bad-nodes.ts";
import { adoptedBlock, type Block, endOf, snapshotOf, summaryOfBlock } from "./block.ts";
import { createGrowth } from "./block-growth.ts";
import { endOfBlock, enter, isUnwanted } from "./block-steps.ts";
import { createWatch, type Unexplained } from "./block-watch.ts";
import type { Blocks, BlocksOptions } from "./blocks-port.ts";
import { failingOf } from "./breaker.ts";
import { uptimeMs, wallTime } from "./clock.ts";
import type { Manager } from "./manager.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import type { JobStatus } from "./provider/port.ts";
import { decide, nextIdleEnd, type Snapshot } from "./scaler.ts";
import { createScalerMemory } from "./scaler-memory.ts";

export type { Blocks, BlocksOptions } from "./blocks-port.ts";

const MIN_CHECK_MS = 50;
/** So long the scheduler is asked why a block has ended. */
const EXPLAIN_MS = 300_000;

/** Takes over the journal's blocks and begins to look after them. */
export function createBlocks(options: BlocksOptions): Blocks {
  const { provider, files, journal, managers, breaker, log, settings } = options;
  // Where there is one node, nothing comes up elsewhere: the breaker alone holds back.
  const badNodes = createBadNodes(settings.provider.type === "local" ? { most: 0 } : {});
  const { policy } = settings;
  const blocks = new Map<string, Block>();
  let begun = false;
  let closed = false;
  let stopped = false;
  const memory = createScalerMemory(uptimeMs());
  let checkDueAt = Number.POSITIVE_INFINITY;
  let idleDueAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const waiters: (() => void)[] = [];
  const unexplained = new Set<Unexplained>();

  for (const record of journal.state.blocks.values()) {
    begun = true;
    blocks.set(record.id, adoptedBlock(record));
  }

  const snapshot = (): Snapshot => {
    const now = {
      now: uptimeMs(),
      demand: options.demand(),
      node: settings.node,
      begun,
      // What the scheduler has lost takes no place there, and takes no work here.
      blocks: [...blocks.values()]
        .filter(({ state }) => state !== "lost")
        .map((block) => snapshotOf(block, managers.of(block.id))),
    };
    return { ...now, ...memory.look(now, policy), runs: options.runs?.() };
  };

  const evaluate = () => {
    if (stopped) return;
    idleDueAt = undefined;
    if (!closed) {
      const now = snapshot();
      const { start, stop } = decide(now, policy);
      idleDueAt = nextIdleEnd(now, policy);
      for (const id of stop) drain(blocks.get(id) as Block);
      if (start > 0) void growth.grow().then(schedule);
    }
    schedule();
  };

  const growth = createGrowth({
    blocks,
    policy,
    provider,
    files,
    journal,
    breaker,
    badNodes,
    log,
    places: settings.provider.type === "local" ? 1 : 1 + settings.provider.alternatives.length,
    wanted() {
      const { start } = decide(snapshot(), policy);
      begun ||= start > 0;
      return start;
    },
    closed: () => stopped || closed,
    onSubmitted(block) {
      if (closed && block.state === "pending") cancel(block, { force: true });
      options.onChange();
      void check();
    },
  });

  const drain = (block: Block, why = "nothing waits for it") => {
    log.info({ block: block.id, why }, "block let go");
    enter(block, "draining");
    letGo(block);
    if (managers.of(block.id).every((manager) => !manager.link)) cancel(block, { force: false });
  };

  /** Its managers get nothing new, and end when they have done what they have. */
  const letGo = (block: Block) => {
    for (const manager of managers.of(block.id)) {
      manager.draining = true;
      manager.link?.send({ kind: "drain" });
    }
  };

  const cancel = (block: Block, { force }: { force: boolean }) => {
    if (block.state === "lost") return;
    enter(block, force ? "killed" : "stopping");
    block.cancelledAt ??= block.since;
    if (block.job === null) return;
    provider
      .cancel([block.job], { force })
      .catch((error) => log.warn({ err: error, block: block.id }, "cancel failed"));
  };

  const gone = (block: Block, known: JobStatus) => {
    blocks.delete(block.id);
    const end = endOfBlock(block, { ...known, now: uptimeMs(), endsAt: endOf(managers.of(block.id)) });
    log[isUnwanted(block) ? "info" : "warn"]({ block: block.id, ...end }, "block ended");
    if (end.failed) {
      // Of several nodes, those that have said so; of one, where it came up.
      const [first, ...more] = files.failedNodes?.(block.id).filter(({ node }) => !block.failedNodes.has(node)) ?? [];
      growth.failed(end.reason, block.nodes === 1 ? (known.node ?? first?.host) : first?.host);
      for (const { host, reason } of more) badNodes.failed(host, reason, uptimeMs());
    }
    const tell = options.onGone(block.id, end);
    if (tell && block.job !== null) unexplained.add({ job: block.job, until: uptimeMs() + EXPLAIN_MS, tell });
    options.onChange();
    files.remove(block.id);
    journal.note([{ kind: "block-gone", id: block.id }]);
    if (blocks.size === 0) for (const resolve of waiters.splice(0)) resolve();
    evaluate();
  };

  /** It counts once for each node of a block: the block would go on for ever to get work that it cannot do. `from`: the node, if that is to blame. */
  const blame = (manager: Manager, reason: string, from?: string) => {
    const { block: id, node } = manager.hello;
    const block = blocks.get(id);
    if (!block || block.failedNodes.has(node)) return;
    block.failedNodes.add(node);
    growth.failed(reason, from);
    options.onChange();
    void check();
  };

  const watch = createWatch({
    blocks,
    policy,
    provider,
    files,
    managers,
    journal,
    breaker,
    badNodes,
    log,
    closed: () => closed,
    unexplained,
    acts: {
      drain,
      letGo,
      cancel,
      gone,
      gaveUp: growth.gaveUp,
      failed: growth.failed,
      changed: options.onChange,
    },
  });
  const check = oneAtATime(async () => {
    if (stopped) return;
    await watch().catch((error) => log.warn({ err: error }, "the provider does not say how the blocks are"));
    checkDueAt = Number.POSITIVE_INFINITY;
    schedule();
  });

  /** Something is due only while there are blocks, or submissions are held back. */
  const schedule = () => {
    clearTimeout(timer);
    if (stopped) return;
    const now = uptimeMs();
    // Not put off by what happens meanwhile.
    const watched = blocks.size + unexplained.size > 0;
    if (watched) checkDueAt = Math.min(checkDueAt, now + Math.max(MIN_CHECK_MS, provider.statusIntervalMs));
    const dueAt = watched ? Math.min(checkDueAt, idleDueAt ?? checkDueAt) : breaker.nextTry(now);
    if (dueAt === undefined) return;
    const wake = () => {
      if (uptimeMs() >= checkDueAt) void check();
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
      // It started while it was being cancelled, or comes back after all; a job that is not known yet may still be used.
      else if (isUnwanted(block) && block.job !== null) letGo(block);
      if (!block.connected) memory.started(Math.max(0, Date.now() - block.submittedAt));
      block.connected = true;
      breaker.hopeful();
      options.onChange();
    },
    lostEnd(id) {
      const block = blocks.get(id);
      if (block?.state !== "lost") return undefined;
      return { reason: block.reason ?? "its scheduler has lost it", taken: true, cause: block.cause, failed: false };
    },
    worked({ hello }) {
      badNodes.good(hello.host);
      const block = blocks.get(hello.block);
      if (!block || block.proven) return;
      block.proven = true;
      breaker.succeeded();
    },
    isExcluded: (node) => badNodes.isExcluded(node, uptimeMs()),
    broken: (manager, reason) => blame(manager, reason, manager.hello.host),
    // Not its node's failure: else each block that comes up there would prolong what keeps it out.
    unwelcome: (manager) => blame(manager, `its node ${manager.hello.host} is excluded`),
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
    excludedNodes: () => badNodes.excluded(uptimeMs()).map((one) => ({ ...one, until: wallTime(one.until) })),
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
