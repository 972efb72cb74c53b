/** The agent's start at the gateway: it is given an epoch (PROTOCOL.md rule 17). */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../protocol/errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import type { Hello, HelloAnswer } from "../protocol/messages.ts";
import { subjects } from "../protocol/subjects.ts";
import { uptimeMs } from "./clock.ts";
import type { Connection } from "./connection.ts";
import type { Log } from "./log.ts";
import { bootId } from "./process-identity.ts";

export type Epoch = {
  epoch: number;
  heartbeatMs: number;
  /** when the answered hello was sent, on the clock that counts suspend */
  helloAt: number;
  /** the endpoint had an agent before, and it was this one, with this journal, on this host */
  past: "none" | "own" | "strange";
};

export type HelloOptions = {
  endpoint: string;
  version: string;
  takeOver: boolean;
  orphanTimeoutMs: number;
  /** the last epoch of the journal */
  journalEpoch: number;
  log: Log;
  signal: AbortSignal;
};

const ANSWER_MS = 5_000;
const RETRY_MS = 500;

/** Says hello until it is answered. Throws what the gateway refuses for good, as ENDPOINT_IN_USE. */
export async function sayHello(connection: Connection, options: HelloOptions): Promise<Epoch> {
  const hello: Hello = {
    version: options.version,
    host: hostname(),
    bootId: bootId(),
    pid: process.pid,
    nonce: randomUUID(),
    takeOver: options.takeOver,
    orphanTimeoutMs: options.orphanTimeoutMs,
  };
  for (let attempt = 0; ; attempt++) {
    options.signal.throwIfAborted();
    const helloAt = uptimeMs();
    let answer: HelloAnswer | undefined;
    try {
      answer = (await connection.request(
        subjects.hello(options.endpoint),
        encodeFrame(hello),
        ANSWER_MS,
      )) as HelloAnswer;
    } catch (err) {
      if (attempt % 20 === 0) options.log.warn({ err }, "no gateway answers on NATS; trying on");
    }
    if (answer?.ok) {
      const { epoch, heartbeatMs, previous } = answer;
      return { epoch, heartbeatMs, helloAt, past: pastOf(previous, options.journalEpoch) };
    }
    if (answer && !answer.error.retryable) throw ApiError.fromJSON(answer.error);
    await sleep(RETRY_MS * (0.5 + Math.random()), undefined, { signal: options.signal });
  }
}

/** Only of its own past does the journal know every manager (rule 22). */
function pastOf(previous: { epoch: number; host: string } | null, journalEpoch: number): Epoch["past"] {
  if (previous === null) return "none";
  return previous.epoch === journalEpoch && previous.host === hostname() ? "own" : "strange";
}
