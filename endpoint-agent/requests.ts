/**
 * Requests over a NATS connection. The client's own make an Error with its stack for each request, also for one that is
 * answered: a tenth of a millisecond that every call would wait for.
 */
import type { Msg, NatsConnection } from "nats";
import { ApiError } from "../protocol/errors.ts";
import { decodeFrame } from "../protocol/frame.ts";

export type Requests = {
  /** Resolves with the answer's header; rejects when there is none in time, or nobody to give one. */
  send(nats: NatsConnection, request: { subject: string; frame: Uint8Array; timeoutMs: number }): Promise<unknown>;
  /** Takes the answers that come over a connection. */
  listen(nats: NatsConnection): void;
};

type Pending = { resolve(header: unknown): void; reject(error: Error): void; timer: NodeJS.Timeout };

const NO_RESPONDERS = 503;

/** Makes requests whose answers come to `<prefix>.answer.<number>`. */
export function createRequests(prefix: string): Requests {
  const pending = new Map<string, Pending>();
  let count = 0;

  const settle = (reply: string): Pending | undefined => {
    const waiting = pending.get(reply);
    if (!waiting) return undefined;
    pending.delete(reply);
    clearTimeout(waiting.timer);
    return waiting;
  };
  const receive = (message: Msg) => {
    const waiting = settle(message.subject);
    if (!waiting) return;
    if (message.headers?.code === NO_RESPONDERS) {
      waiting.reject(new ApiError("UNAVAILABLE", "no gateway listens on NATS"));
      return;
    }
    try {
      waiting.resolve(decodeFrame(message.data).header);
    } catch (error) {
      waiting.reject(error as Error);
    }
  };
  return {
    send(nats, { subject, frame, timeoutMs }) {
      const reply = `${prefix}.answer.${++count}`;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          settle(reply)?.reject(new ApiError("UNAVAILABLE", `no gateway answered within ${timeoutMs} ms`));
        }, timeoutMs);
        pending.set(reply, { resolve, reject, timer });
        nats.publish(subject, frame, { reply });
      });
    },
    listen(nats) {
      nats.subscribe(`${prefix}.answer.*`, { callback: (error, message) => void (error ?? receive(message)) });
    },
  };
}
