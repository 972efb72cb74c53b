/** An agent's start: counts the epoch up and answers with it (PROTOCOL.md rule 17, FAULTS.md A5). */
import type { Logger } from "pino";
import { ApiError } from "../../protocol/errors.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { Hello, type HelloAnswer } from "../../protocol/messages.ts";
import type { EndpointRow, Store } from "../store/port.ts";
import type { Asked, Wire } from "../wire/wire.ts";
import { type Agents, HEARTBEAT_MS } from "./agents.ts";
import type { Controls, Request } from "./control.ts";
import type { Refusals } from "./refusals.ts";

export type HelloHandler = { handle(asked: Asked, bytes: Uint8Array): void };

/** How long the agent before is given to show that it still answers. */
const PROBE_MS = 2_000;

export type HelloParts = {
  store: Pick<Store, "startEpoch" | "getEndpoint">;
  wire: Wire;
  agents: Agents;
  controls: Controls;
  refusals: Refusals;
  log: Logger;
  /** the endpoint has a new agent */
  superseded: (endpoint: string, epoch: number) => void;
};

/** Makes the handler of one gateway. */
export function createHello(parts: HelloParts): HelloHandler {
  const { store, wire, agents, controls, refusals, log } = parts;
  // A repeated hello (its answer was lost, or is late) must not count the epoch up again.
  const starting = new Map<string, { nonce: string; answer: Promise<HelloAnswer> }>();

  async function start(endpoint: string, hello: Hello): Promise<HelloAnswer> {
    const row = await store.getEndpoint(endpoint);
    if (row?.hello?.nonce === hello.nonce) return repeated(row);
    const previousAnswers = row !== undefined && (await stillAnswers(row, hello));
    const { epoch, previous } = await store.startEpoch(endpoint, hello, { previousAnswers });
    agents.confirmed(endpoint, epoch);
    parts.superseded(endpoint, epoch);
    log.info({ endpoint, epoch, host: hello.host, pid: hello.pid }, "an agent has started");
    const before = previous && {
      epoch: previous.epoch,
      host: previous.hello.host,
      bootId: previous.hello.bootId,
    };
    return { ok: true, epoch, previous: before, heartbeatMs: HEARTBEAT_MS };
  }

  /**
   * The answer was lost together with the gateway that gave it. Who was there before is not known any more; an unknown host
   * makes the agent wait as for the worst.
   */
  function repeated({ id, epoch }: EndpointRow): HelloAnswer {
    agents.confirmed(id, epoch);
    const previous = epoch === 1 ? null : { epoch: epoch - 1, host: "unknown", bootId: "unknown" };
    return { ok: true, epoch, previous, heartbeatMs: HEARTBEAT_MS };
  }

  /** Whether the agent before, on another host, was heard lately or answers now. On one host the newer one wins at once. */
  async function stillAnswers({ id, epoch, hello: before }: EndpointRow, hello: Hello): Promise<boolean> {
    if (hello.takeOver || !before) return false;
    if (before.host === hello.host && before.bootId === hello.bootId) return false;
    if (agents.get(id)?.epoch === epoch && agents.answers(id, 2 * HEARTBEAT_MS)) return true;
    // This gateway may not have been up for long enough to have heard it.
    const probe: Request = { kind: "received?", pull: 0, batches: [] };
    const answer = await controls.ask(id, probe, { epoch, onlyEpoch: true, withinMs: PROBE_MS });
    return answer !== undefined;
  }

  function forget(endpoint: string, nonce: string): void {
    if (starting.get(endpoint)?.nonce === nonce) starting.delete(endpoint);
  }

  async function answerTo(endpoint: string, hello: Hello): Promise<HelloAnswer> {
    let entry = starting.get(endpoint);
    if (entry?.nonce !== hello.nonce) {
      const answer = start(endpoint, hello).catch((error: unknown): HelloAnswer => {
        forget(endpoint, hello.nonce);
        return { ok: false, error: asApiError(error).toJSON() };
      });
      entry = { nonce: hello.nonce, answer };
      starting.set(endpoint, entry);
    }
    return entry.answer;
  }

  function asApiError(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    log.error({ err: error }, "an agent's start could not be recorded");
    return new ApiError("UNAVAILABLE", "the start could not be recorded; try again");
  }

  return {
    handle(asked, bytes) {
      let hello: Hello;
      try {
        hello = Hello.parse(decodeFrame(bytes).header);
      } catch (error) {
        return refusals.refuse(asked.endpoint, `hello: ${String(error)}`);
      }
      void answerTo(asked.endpoint, hello).then((answer) => wire.answer(asked, encodeFrame(answer)));
    },
  };
}
