/** Results and starts of agents: committed, then answered, then told to whoever watches (PROTOCOL.md rules 10, 13, 14). */
import type { Logger } from "pino";
import { ApiError } from "../../protocol/errors.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import type { ResultsAnswer } from "../../protocol/messages.ts";
import type { Effects, Handout, ReportInput, ReportOutput, Store } from "../store/port.ts";
import type { Asked, Wire } from "../wire/wire.ts";
import { POP_AT_MOST, type Popper } from "./popper.ts";
import { noReservation, type PullState, type Pulls, type Reservation } from "./pulls.ts";
import type { Refusals } from "./refusals.ts";
import { checkResults } from "./results-check.ts";

export type Results = {
  handle(asked: Asked, bytes: Uint8Array): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
};

/** Messages of one agent that may be in the database at once; it keeps what is refused and sends it again. */
const MAX_UNDER_WAY = 256;

export type ResultsParts = {
  store: Pick<Store, "report">;
  wire: Wire;
  pulls: Pulls;
  popper: Popper;
  refusals: Refusals;
  log: Logger;
  heard: (endpoint: string, epoch: number) => void;
  send: (handouts: readonly Handout[]) => void;
  apply: (effects: Effects) => void;
  counted: (state: PullState) => void;
};

/** Makes the handler of one gateway. */
export function createResults(parts: ResultsParts): Results {
  const { store, wire, pulls, popper, refusals, log } = parts;
  const underWay = new Map<string, number>();
  let idle: (() => void)[] = [];

  function answer(asked: Asked, body: ResultsAnswer): void {
    wire.answer(asked, encodeFrame(body));
  }

  function refuse(asked: Asked, error: unknown): void {
    if (!(error instanceof ApiError)) {
      log.error({ err: error, endpoint: asked.endpoint }, "results could not be committed");
      error = new ApiError("UNAVAILABLE", "the results could not be committed; send them again");
    }
    answer(asked, { ok: false, error: (error as ApiError).toJSON() });
  }

  /** While something waits, the room that came with the results is filled in their own transaction. */
  function roomFor(state: PullState | undefined): Reservation {
    const reservation = noReservation();
    if (!state?.queued || state.popping) return reservation;
    pulls.reserve(state, POP_AT_MOST, reservation);
    popper.unwant(state);
    return reservation;
  }

  async function commit(asked: Asked, input: Omit<ReportInput, "pulls">): Promise<void> {
    const state = pulls.get(asked.endpoint);
    const reservation = roomFor(state);
    const before = underWay.get(asked.endpoint) ?? 0;
    underWay.set(asked.endpoint, before + 1);
    try {
      const report = await store
        .report({ ...input, pulls: reservation.pulls })
        .finally(() => pulls.release(reservation));
      parts.send(report.handouts);
      if (state?.queued && !report.queued.includes(asked.endpoint)) {
        state.queued = false;
        parts.counted(state);
      }
      parts.apply(report);
      setImmediate(accept, asked, report);
    } catch (error) {
      refuse(asked, error);
      if (state) popper.want(state);
      done(asked.endpoint);
    }
  }

  /** After the events have gone out: somebody waits for those, and for this nobody. */
  function accept(asked: Asked, { superseded, refusedStarts }: ReportOutput): void {
    answer(asked, { ok: true, superseded, ...(refusedStarts.length > 0 ? { refusedStarts } : {}) });
    done(asked.endpoint);
  }

  function done(endpoint: string): void {
    const left = (underWay.get(endpoint) ?? 1) - 1;
    if (left > 0) underWay.set(endpoint, left);
    else underWay.delete(endpoint);
    if (underWay.size > 0) return;
    for (const resolve of idle) resolve();
    idle = [];
  }

  return {
    handle(asked, bytes) {
      const { endpoint } = asked;
      if ((underWay.get(endpoint) ?? 0) >= MAX_UNDER_WAY) {
        return refuse(asked, new ApiError("RATE_LIMITED", "too many results are being committed; send them again"));
      }
      try {
        const { header, body } = decodeFrame(bytes);
        const { epoch, results, starts } = checkResults(header, body.length);
        parts.heard(endpoint, epoch);
        void commit(asked, { endpoint, epoch, results, starts, body });
      } catch (error) {
        refusals.refuse(endpoint, `results: ${String(error)}`);
        refuse(asked, error);
      }
    },
    idle: () => (underWay.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
