/** Heartbeats: the fence's clock, and the repair of what agent and database disagree on (PROTOCOL.md rules 9, 17, 19). */
import type { Logger } from "pino";
import { ApiError } from "../../protocol/errors.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { Heartbeat, type HeartbeatAnswer, type HeldLease, leaseDigest } from "../../protocol/messages.ts";
import type { Effects, Store } from "../store/port.ts";
import type { Asked, Wire } from "../wire/wire.ts";
import type { Agent, Agents } from "./agents.ts";
import type { Clock } from "./clock.ts";
import type { Refusals } from "./refusals.ts";

export type HeartbeatHandler = { handle(asked: Asked, bytes: Uint8Array): void; stop(): void };

/**
 * Heartbeats gather so long and are answered together: with a thousand agents, to wake the database's thread and the wire
 * for each alone is most of what an idle gateway does. Deadlines count from the sending, so nothing moves (rule 19).
 */
const GATHER_MS = 100;

/** A lease on the edge of the digest's age, or a result on its way, differs once; what is wrong differs again. */
const ASK_AFTER_DIFFERING = 2;
/** Kills in one answer; the rest come with the next. */
const MAX_KILLS = 10_000;

export type HeartbeatParts = {
  store: Pick<Store, "epochOf" | "leasesOf" | "reconcile">;
  wire: Wire;
  agents: Agents;
  clock: Clock;
  refusals: Refusals;
  log: Logger;
  apply: (effects: Effects) => void;
  /** leases in batches that may still arrive */
  onTheWay: (endpoint: string) => HeldLease[];
  /** the endpoint does not exist any more */
  gone: (endpoint: string) => void;
};

/** Makes the handler of one gateway. */
export function createHeartbeats(parts: HeartbeatParts): HeartbeatHandler {
  const { store, wire, agents, clock, refusals, log } = parts;

  async function answerTo(endpoint: string, heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    const { digest, leases } = heartbeat;
    // Together: two questions to the database's thread wake it once.
    const [epoch, own] = await Promise.all([
      store.epochOf(endpoint),
      leases ? [] : store.leasesOf(endpoint, clock.wall() - digest.olderThanMs),
    ]);
    if (epoch === undefined) {
      parts.gone(endpoint);
      throw new ApiError("NOT_FOUND", "this endpoint was deleted");
    }
    if (epoch !== heartbeat.epoch) {
      throw new ApiError("EPOCH_SUPERSEDED", `a newer agent runs this endpoint (epoch ${epoch})`, {
        details: { epoch },
      });
    }
    const agent = agents.confirmed(endpoint, epoch);
    agent.summary = heartbeat.summary;
    const kill = leases ? await repair(endpoint, heartbeat, leases) : [];
    const wantLeases = leases ? false : differs(agent, digest, leaseDigest(own));
    return { ok: true, sentAt: heartbeat.sentAt, wantLeases, kill };
  }

  function differs(agent: Agent, digest: Heartbeat["digest"], own: { count: number; hash: string }): boolean {
    const same = own.count === digest.count && own.hash === digest.hash;
    agent.differing = same ? 0 : agent.differing + 1;
    return agent.differing >= ASK_AFTER_DIFFERING;
  }

  async function repair(endpoint: string, { digest }: Heartbeat, leases: HeldLease[]): Promise<HeldLease[]> {
    // What may still arrive is asked for by batch; to queue it again here would run it twice.
    const held = [...leases, ...parts.onTheWay(endpoint)];
    const { kill, ...effects } = await store.reconcile(endpoint, held, clock.wall() - digest.olderThanMs);
    const agent = agents.get(endpoint);
    if (agent) agent.differing = 0;
    log.info(
      { endpoint, held: leases.length, kill: kill.length, events: effects.events.length },
      "leases were compared",
    );
    parts.apply(effects);
    return kill.slice(0, MAX_KILLS);
  }

  function failed(endpoint: string, error: unknown): HeartbeatAnswer {
    if (error instanceof ApiError) return { ok: false, error: error.toJSON() };
    log.error({ err: error, endpoint }, "a heartbeat could not be answered");
    return { ok: false, error: new ApiError("UNAVAILABLE", "the database does not answer").toJSON() };
  }

  let gathered: { asked: Asked; heartbeat: Heartbeat }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function answerAll(): void {
    clearTimeout(timer);
    timer = undefined;
    const all = gathered;
    gathered = [];
    for (const { asked, heartbeat } of all) {
      void answerTo(asked.endpoint, heartbeat)
        .catch((error: unknown) => failed(asked.endpoint, error))
        .then((answer) => wire.answer(asked, encodeFrame(answer)));
    }
  }

  return {
    handle(asked, bytes) {
      let heartbeat: Heartbeat;
      try {
        heartbeat = Heartbeat.parse(decodeFrame(bytes).header);
      } catch (error) {
        return refusals.refuse(asked.endpoint, `heartbeat: ${String(error)}`);
      }
      gathered.push({ asked, heartbeat });
      // An agent that states its leases waits for the answer before it asks for work.
      if (heartbeat.leases) answerAll();
      else timer ??= setTimeout(answerAll, GATHER_MS);
    },
    stop() {
      clearTimeout(timer);
      gathered = [];
    },
  };
}
