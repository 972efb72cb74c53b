/** Opens, feeds, keeps alive and ends pulls (PROTOCOL.md rules 4 to 6). */
import type { Logger } from "pino";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { Credit, Pull, type WorkMessage } from "../../protocol/messages.ts";
import type { Store } from "../store/port.ts";
import type { Wire } from "../wire/wire.ts";
import type { Agents } from "./agents.ts";
import type { Controls } from "./control.ts";
import type { Popper } from "./popper.ts";
import type { PullState, Pulls } from "./pulls.ts";
import type { Refusals } from "./refusals.ts";
import type { Sender } from "./sender.ts";

export type PullHandler = {
  pull(endpoint: string, bytes: Uint8Array): void;
  credit(endpoint: string, bytes: Uint8Array): void;
  end(state: PullState, reason: EndReason): void;
};

type EndReason = Extract<WorkMessage, { kind: "end" }>["reason"];
type Named = { endpoint: string; epoch: number; pull: number };

const MAX_PULLS = 50_000;

export type PullHandlerParts = {
  store: Pick<Store, "openPull" | "epochOf">;
  wire: Wire;
  agents: Agents;
  pulls: Pulls;
  popper: Popper;
  sender: Sender;
  controls: Controls;
  refusals: Refusals;
  log: Logger;
};

/** Makes the handler of one gateway. */
export function createPullHandler(parts: PullHandlerParts): PullHandler {
  const { store, wire, agents, pulls, popper, sender, controls, refusals, log } = parts;
  // While the database is asked, credit for the new pull may come already.
  const opening = new Map<string, Pull & { endpoint: string; received: number }>();

  function tellEnd({ endpoint, epoch, pull }: Named, reason: EndReason): void {
    const message: WorkMessage = { kind: "end", epoch, pull, reason };
    wire.work(endpoint, encodeFrame(message));
  }

  /** What was sent in a pull that is over is asked for at once: nobody will receipt it. */
  function close(state: PullState): void {
    pulls.close(state);
    sender.ask(state, 0);
  }

  async function open(wanted: Pull & { endpoint: string; received: number }): Promise<void> {
    const { endpoint, epoch, pull } = wanted;
    try {
      if (!(await store.openPull(endpoint, epoch, pull))) return await refuse(wanted);
      const current = pulls.get(endpoint);
      // A newer one was opened while the database was asked for this one, or this is a repetition.
      if (current && (current.epoch > epoch || (current.epoch === epoch && current.pull >= pull))) return;
      agents.confirmed(endpoint, epoch);
      const { state, older } = pulls.open(wanted);
      controls.repeatTo(endpoint);
      if (older) close(older);
      beat(state);
      popper.want(state);
    } catch (err) {
      // The agent hears no beat and pulls anew.
      log.error({ err, endpoint }, "a pull could not be opened");
    } finally {
      if (opening.get(endpoint) === wanted) opening.delete(endpoint);
    }
  }

  async function refuse(wanted: Named): Promise<void> {
    const epoch = await store.epochOf(wanted.endpoint);
    tellEnd(wanted, epoch === wanted.epoch ? "newer-pull" : "superseded");
  }

  function beat(state: PullState): void {
    const { endpoint, epoch, pull } = state;
    const message: WorkMessage = { kind: "beat", epoch, pull };
    wire.work(endpoint, encodeFrame(message));
  }

  return {
    pull(endpoint, bytes) {
      try {
        const wanted = { ...Pull.parse(decodeFrame(bytes).header), endpoint, received: 0 };
        const before = opening.get(endpoint);
        if (before && before.epoch === wanted.epoch && before.pull >= wanted.pull) return;
        if (pulls.size() >= MAX_PULLS && !pulls.get(endpoint)) throw new Error("too many pulls are open");
        opening.set(endpoint, wanted);
        void open(wanted);
      } catch (error) {
        refusals.refuse(endpoint, `pull: ${String(error)}`);
      }
    },
    credit(endpoint, bytes) {
      let credit: Credit;
      try {
        credit = readCredit(decodeFrame(bytes).header);
      } catch (error) {
        return refusals.refuse(endpoint, `credit: ${String(error)}`);
      }
      agents.heard(endpoint, credit.epoch);
      const wanted = opening.get(endpoint);
      if (wanted && wanted.epoch === credit.epoch && wanted.pull === credit.pull) {
        Object.assign(wanted, { limits: credit.limits, countUpTo: credit.countUpTo });
        return;
      }
      const state = pulls.get(endpoint);
      if (!state || state.epoch !== credit.epoch) return;
      // The newer pull stands at another gateway.
      if (credit.pull > state.pull) return close(state);
      if (credit.pull < state.pull) return;
      sender.receipt(state, credit.received);
      state.room.raise(credit.limits);
      if (credit.countUpTo !== state.countUpTo) {
        state.countUpTo = credit.countUpTo;
        popper.want(state);
      } else if (state.queued && state.room.some()) popper.want(state);
    },
    end(state, reason) {
      close(state);
      tellEnd(state, reason);
    },
  };
}

/** As `Credit.parse`, for a message that comes with every few results. */
function readCredit(header: unknown): Credit {
  const { epoch, pull, limits, received, countUpTo } = (header ?? {}) as Partial<Credit>;
  if (isCount(epoch) && isCount(pull) && isCount(received) && isCount(countUpTo) && typeof limits === "object") {
    let fine = limits !== null;
    for (const resourceClass in limits) {
      const limit = limits[resourceClass];
      fine &&= isCount(limit?.tasks) && isCount(limit?.bytes);
    }
    if (fine) return header as Credit;
  }
  // Throws, saying what is wrong.
  return Credit.parse(header);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
