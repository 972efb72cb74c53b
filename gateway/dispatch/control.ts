/** Requests to agents, repeated every second until they are answered (PROTOCOL.md rule 12). */
import type { Logger } from "pino";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import type { Control, ControlAnswer } from "../../protocol/messages.ts";
import type { Wire } from "../wire/wire.ts";
import { type Agents, SILENT_MS } from "./agents.ts";
import type { Clock } from "./clock.ts";
import type { Refusals } from "./refusals.ts";

/** A control request without its epoch, which is that of the agent at each sending. */
export type Request = { [K in Control["kind"]]: Omit<Extract<Control, { kind: K }>, "epoch"> }[Control["kind"]];

export type AskOptions = {
  /** the agent's epoch when none is known here */
  epoch: number;
  /** it only concerns the agent of that epoch: given up when there is a newer one */
  onlyEpoch?: boolean;
  /** given up after this long */
  withinMs?: number;
  /** given up when this says so, before it is repeated */
  unless?: () => boolean;
};

export type Controls = {
  /** The answer, or undefined when the request was given up. */
  ask(endpoint: string, request: Request, options: AskOptions): Promise<ControlAnswer | undefined>;
  reply(endpoint: string, request: number, bytes: Uint8Array): void;
  /** Repeats what is not answered; every second. */
  repeat(): void;
  /** The agent is there again: repeats what it has not answered at once. */
  repeatTo(endpoint: string): void;
  /** There is a newer agent. */
  newEpoch(endpoint: string, epoch: number): void;
  /** Gives everything up. */
  stop(): void;
};

type Pending = AskOptions & {
  endpoint: string;
  request: Request;
  since: number;
  settle: (answer: ControlAnswer | undefined) => void;
};

/** How many requests may wait for their answer; the heartbeat's digest makes up for what is given up. */
const MAX_PENDING = 20_000;

export type ControlParts = { wire: Wire; agents: Agents; refusals: Refusals; clock: Clock; log: Logger };

/** Makes the controls of one gateway. */
export function createControls({ wire, agents, refusals, clock, log }: ControlParts): Controls {
  const pending = new Map<number, Pending>();
  let requests = 0;

  const epochFor = ({ endpoint, epoch, onlyEpoch }: Pending) =>
    onlyEpoch ? epoch : (agents.get(endpoint)?.epoch ?? epoch);
  const send = (n: number, ask: Pending) => {
    wire.ask(ask.endpoint, n, encodeFrame({ ...ask.request, epoch: epochFor(ask) }));
  };
  const end = (n: number, ask: Pending, answer: ControlAnswer | undefined) => {
    pending.delete(n);
    ask.settle(answer);
  };

  return {
    ask(endpoint, request, options) {
      if (pending.size >= MAX_PENDING) {
        log.warn({ endpoint, kind: request.kind }, "too many requests to agents are unanswered; one was given up");
        return Promise.resolve(undefined);
      }
      return new Promise((settle) => {
        const n = ++requests;
        const ask: Pending = { ...options, endpoint, request, since: clock.monotonic(), settle };
        pending.set(n, ask);
        send(n, ask);
      });
    },
    reply(endpoint, n, bytes) {
      const ask = pending.get(n);
      // Answered already, or the number of another endpoint's request.
      if (!ask || ask.endpoint !== endpoint) return;
      const answer = readAnswer(bytes);
      if (!answer) return refusals.refuse(endpoint, "a control answer that is none");
      // From an agent that is not the endpoint's any more, or not yet: its word does not count.
      if (answer.epoch !== epochFor(ask)) return;
      if (!answer.ok) log.warn({ endpoint, kind: ask.request.kind }, "the agent refused a control request");
      end(n, ask, answer);
    },
    repeat() {
      const now = clock.monotonic();
      for (const [n, ask] of pending) {
        const late = ask.withinMs !== undefined && now - ask.since > ask.withinMs;
        if (late || ask.unless?.()) end(n, ask, undefined);
        // To one that is silent it would be noise; it is sent again once it is heard.
        else if (agents.answers(ask.endpoint, SILENT_MS) && now - ask.since > 900) send(n, ask);
      }
    },
    repeatTo(endpoint) {
      for (const [n, ask] of pending) if (ask.endpoint === endpoint) send(n, ask);
    },
    newEpoch(endpoint, epoch) {
      for (const [n, ask] of pending) {
        if (ask.endpoint === endpoint && ask.onlyEpoch && ask.epoch < epoch) end(n, ask, undefined);
      }
    },
    stop() {
      for (const [n, ask] of pending) end(n, ask, undefined);
    },
  };
}

function readAnswer(bytes: Uint8Array): ControlAnswer | undefined {
  try {
    const answer = decodeFrame(bytes).header as Partial<ControlAnswer> | null;
    if (typeof answer?.ok !== "boolean" || typeof answer.epoch !== "number") return undefined;
    if (answer.denied !== undefined && !answer.denied?.every?.(Number.isInteger)) return undefined;
    return answer as ControlAnswer;
  } catch {
    return undefined;
  }
}
