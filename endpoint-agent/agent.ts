/** The agent: one endpoint's tasks between the gateway and its managers. Wires the parts; decides little itself. */
import { join } from "node:path";
import type { LeaseHeader } from "../protocol/batch.ts";
import type { ErrorBody } from "../protocol/errors.ts";
import type { HeldLease, WorkMessage } from "../protocol/messages.ts";
import { createAdoption } from "./adoption.ts";
import type { Blocks, BlocksOptions } from "./blocks.ts";
import { uptimeMs } from "./clock.ts";
import type { Settings } from "./config.ts";
import type { Connection } from "./connection.ts";
import { createControl } from "./control.ts";
import { demandOf } from "./demand.ts";
import { createFrameRouter } from "./frame-router.ts";
import type { GatewayHttp } from "./gateway-http.ts";
import { createGatewayWire } from "./gateway-wire.ts";
import { startHeartbeats } from "./heartbeat.ts";
import { createTaskTable } from "./held-task.ts";
import type { Epoch } from "./hello.ts";
import { createInbound } from "./inbound.ts";
import { createIntake } from "./intake.ts";
import { createInterchange } from "./interchange.ts";
import type { Journal } from "./journal.ts";
import { createJournalWatch } from "./journal-watch.ts";
import { createJournaledOutbox } from "./journaled-outbox.ts";
import type { Log } from "./log.ts";
import type { ManagerHello } from "./manager.ts";
import type { ManagerLink, ManagerLinkHandlers } from "./manager-link.ts";
import { createManagers, DEAD_AFTER_DEADLINE_MS, type Managers } from "./managers.ts";
import { createRelay } from "./relay.ts";
import { summaryOf } from "./summary.ts";
import { oncePerTurn } from "./turn.ts";
import { unstick } from "./unstick.ts";
import { createUploads } from "./uploads.ts";
import { createWorkEnds } from "./work-ends.ts";

export type BlocksParts = Pick<BlocksOptions, "demand" | "runs" | "onGone" | "onChange"> & { managers: Managers };

export type AgentOptions = {
  endpoint: string;
  dir: string;
  settings: Settings;
  version: string;
  epoch: Epoch;
  connection: Connection;
  http: GatewayHttp;
  journal: Journal;
  log: Log;
  signal: AbortSignal;
  /** makes the keeper of the blocks, which needs what the agent has of managers */
  blocks(parts: BlocksParts): Blocks;
  /** a newer agent runs this endpoint, or it was deleted: all work must end */
  onFenced(error: ErrorBody): void;
  /** whether the manager, and all that it started, is known to be dead though its block may live on */
  provenDead(manager: ManagerHello, silentMs: number): boolean;
};

export type Agent = {
  work(header: unknown, body: Uint8Array): void;
  control(header: unknown): Uint8Array;
  reconnected(): void;
  accept(link: ManagerLink): ManagerLinkHandlers;
  /** Takes nothing new; resolves when what runs has ended, the blocks are gone and the results are sent. */
  drain(): Promise<void>;
  /** Kills what `drain` waits for. */
  hurry(): void;
  /** Kills all work; resolves when its end is proven and was told to the gateway, or cannot be. */
  kill(): Promise<void>;
  stop(): void;
};

const HOUSEKEEPING_MS = 1_000;
/** At the end, results are sent for so long; the journal keeps what is left. */
const LAST_RESULTS_MS = 5_000;

/** Starts the agent of an epoch. */
export async function createAgent(options: AgentOptions): Promise<Agent> {
  const { endpoint, settings, connection, journal, log, http, dir, signal } = options;
  const { epoch, past, helloAt, heartbeatMs } = options.epoch;
  const wire = createGatewayWire(connection, endpoint);
  const table = createTaskTable();
  const interchange = createInterchange(
    table,
    settings.policy.minBlocks < settings.policy.maxBlocks ? "pack" : "spread",
  );
  const relay = await createRelay({ http, cacheDir: join(dir, "cache", "agent"), log });
  const uploads = await createUploads({ http, dir: join(dir, "state", "uploads"), log, signal });
  let draining = false;
  let ending = false;
  let fenced = false;
  let pulling = false;

  /** Once for everything that came in one round of the event loop, so that messages are few and full. */
  const turn = oncePerTurn(() => {
    interchange.pump();
    outbox.flush();
    inbound.sendReceipts();
    if (pulling && !fenced) pull.tick();
  });

  const refused = (error: ErrorBody) => {
    const over = error.code === "EPOCH_SUPERSEDED" || error.code === "NOT_FOUND";
    if (!over) log.warn({ error }, "the gateway refused a message");
    else if (!fenced) {
      fenced = true;
      pull.stop();
      options.onFenced(error);
    }
  };
  const outbox = createJournaledOutbox({ epoch, wire, journal, table, onRefused: refused });

  const pull = createIntake({
    epoch,
    wire,
    interchange,
    settings,
    closed: () => draining || journal.trouble !== undefined,
    end: (tasks, entryOf) => ends.end(tasks, entryOf),
    draining: () => draining,
    turn,
    onWaiting: () => blocks.evaluate(),
    onSuperseded: () => heartbeats.beat(),
  });

  const inbound = createInbound({
    table,
    interchange,
    outbox,
    onEnded: pull.ended,
    onWorked: (manager) => blocks.worked(manager),
    onTakenAway: (entry, manager) => ends.takenAway(entry, manager),
    turn,
  });
  const managers = createManagers({
    table,
    interchange,
    journal,
    log,
    workersPerNode: settings.policy.workersPerNode,
    secretOf: (block) => (fenced ? undefined : blocks.secretOf(block)),
    deadlineAt: () => heartbeats.deadlineAt,
    provenDead: options.provenDead,
    isExcluded: (name) => blocks.isExcluded(name),
    onFrame: createFrameRouter({
      endpoint,
      inbound,
      interchange,
      relay,
      uploads,
      connection,
      log,
      onBroken: (manager, reason) => blocks.broken(manager, reason),
      turn,
    }),
    onChange(manager) {
      if (manager.unwelcome) blocks.unwelcome(manager);
      else if (manager.link) blocks.connected(manager.hello.block);
      else uploads.forget(manager);
      blocks.check();
    },
    onSettled: (manager) => adoption.seen(manager),
    turn,
  });
  const ends = createWorkEnds({ interchange, outbox, managers, turn });
  const blocks = options.blocks({
    managers,
    demand: () => demandOf(pull.waiting, interchange, ends.returning),
    runs: interchange.runs,
    onGone(block, how) {
      adoption.gone(block);
      return ends.blockGone(block, how);
    },
    onChange: () => heartbeats.beatSoon(),
  });
  const adoption = createAdoption({
    journal: journal.state,
    ownPast: past !== "strange",
    until: helloAt + settings.orphanTimeoutMs + DEAD_AFTER_DEADLINE_MS,
    onComplete: () => heartbeats.beat(),
  });
  const heartbeats = startHeartbeats({
    epoch,
    // A deadline that is shorter than the usual interval must not pass between two beats.
    intervalMs: Math.min(heartbeatMs, settings.orphanTimeoutMs / 8),
    orphanTimeoutMs: settings.orphanTimeoutMs,
    helloAt,
    table,
    send: wire.heartbeat,
    summary: () => summaryOf({ interchange, blocks, journal, settings, version: options.version, draining }),
    complete: () => adoption.complete,
    kill,
    onRefused: refused,
  });

  function kill(leases: readonly HeldLease[]): void {
    interchange.cancel(leases);
    turn();
  }
  const setDraining = (drain: boolean) => {
    if (drain === draining) return;
    draining = drain;
    log.info(drain ? "draining: nothing new is taken" : "not draining any more");
    if (pulling && !fenced) pull.open();
    if (drain) {
      ends.returnQueued();
      blocks.close({ force: false });
    } else blocks.reopen();
    heartbeats.beat();
  };
  const begin = async () => {
    await adoption.settled();
    if (past !== "none" && adoption.complete) await heartbeats.declare();
    if (fenced || signal.aborted) return;
    pulling = true;
    pull.open();
  };
  const settleResults = async () => {
    turn();
    await outbox.drained(AbortSignal.timeout(LAST_RESULTS_MS));
  };
  const checkJournal = createJournalWatch(journal, () => {
    log[journal.trouble ? "error" : "info"](
      { trouble: journal.trouble },
      "whether the journal can be written has changed",
    );
    if (pulling && !fenced) pull.open();
    heartbeats.beat();
  });
  const housekeeping = setInterval(() => {
    checkJournal();
    managers.checkSilence();
    ends.buryDead(blocks.lostEnd);
    ends.returnStranded();
    unstick(interchange.managers, uptimeMs());
    blocks.evaluate();
  }, HOUSEKEEPING_MS);
  void begin();
  turn();

  return {
    work: (header, body) => (fenced ? undefined : pull.receive(header as WorkMessage | LeaseHeader, body)),
    control: createControl({
      epoch,
      table,
      cancel: kill,
      deny: pull.deny,
      // Who ends does not change its mind.
      drain: (drain) => (ending ? undefined : setDraining(drain)),
      pull: () => (pulling && !fenced ? pull.reopen() : undefined),
    }),
    accept: managers.accept,
    reconnected() {
      outbox.retry();
      if (fenced) return;
      if (pulling) pull.open();
      heartbeats.beat();
    },
    async drain() {
      ending = true;
      setDraining(true);
      await blocks.ended();
      await settleResults();
    },
    hurry: () => blocks.close({ force: true }),
    async kill() {
      draining = true;
      ends.returnQueued();
      for (const manager of interchange.managers) manager.link?.send({ kind: "stop" });
      blocks.close({ force: true });
      await blocks.ended();
      await settleResults();
    },
    stop() {
      clearInterval(housekeeping);
      pull.stop();
      heartbeats.stop();
      outbox.stop();
      blocks.stop();
      adoption.stop();
    },
  };
}
