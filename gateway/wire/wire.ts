/**
 * What the dispatcher sees of NATS: messages of agents by kind, with the endpoint that the server authenticated in the
 * subject; and three ways to say something to an agent. It holds nothing; what cannot be sent now is not sent.
 */
import { randomBytes } from "node:crypto";
import type { Msg, NatsConnection, Subscription } from "nats";
import type { Logger } from "pino";
import { isLarge } from "../../protocol/large-buffers.ts";
import { GATEWAY_QUEUE, inboxPrefix, subjects, workInbox } from "../../protocol/subjects.ts";
import { type ConnectionOptions, keepConnected } from "./connection.ts";

/** A request of an agent, to be answered to `inbox`. */
export type Asked = { endpoint: string; inbox: string };

export type WireHandlers = {
  hello(asked: Asked, bytes: Uint8Array): void;
  results(asked: Asked, bytes: Uint8Array): void;
  state(asked: Asked, bytes: Uint8Array): void;
  pull(endpoint: string, bytes: Uint8Array): void;
  credit(endpoint: string, bytes: Uint8Array): void;
  /** the answer to a control request, by the number that the request was given */
  reply(endpoint: string, request: number, bytes: Uint8Array): void;
  /** a message that must not be acted on: forged, or from a client that is not an agent of ours */
  refused(endpoint: string, why: string): void;
  up(): void;
  down(): void;
};

export type Wire = {
  /** Starts to listen; once. */
  listen(handlers: WireHandlers): void;
  connected(): boolean;
  /** Sends to the endpoint's work inbox. False when it cannot be sent now. */
  work(endpoint: string, frame: Uint8Array): boolean;
  answer(asked: Asked, frame: Uint8Array): void;
  /** Asks the agent; what it answers comes to `reply` with the same number. */
  ask(endpoint: string, request: number, frame: Uint8Array): void;
  /** Live output of one task until the returned function is called. */
  logs(endpoint: string, task: string, onBytes: (bytes: Uint8Array) => void): () => void;
  /** Stops to listen, so that no new work comes; what is under way can still be answered. */
  deafen(): void;
  close(): Promise<void>;
};

export type WireOptions = Omit<ConnectionOptions, "name">;

/** The wire of one gateway over NATS. */
export function createWire(options: WireOptions): Wire {
  const gateway = randomBytes(8).toString("hex");
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  const listening: Subscription[] = [];
  const logSubscriptions = new Map<number, { subscription: Subscription | undefined; subscribe: () => Subscription }>();
  let logs = 0;
  let connection: NatsConnection | undefined;
  let up = false;

  const send = (subject: string, frame: Uint8Array, reply?: string): boolean => {
    if (!connection || !up) return false;
    try {
      connection.publish(subject, frame, reply === undefined ? {} : { reply });
      return true;
    } catch (err) {
      options.log.error({ err, subject, bytes: frame.length }, "a message could not be sent");
      return false;
    }
  };

  return {
    listen(handlers) {
      keepConnected(
        { ...options, name: `farcall-gateway-${gateway}`, signal },
        {
          made(nats) {
            connection = nats;
            listening.push(...subscribeAll(nats, { handlers, gateway, log: options.log }));
            for (const log of logSubscriptions.values()) log.subscription = log.subscribe();
          },
          up() {
            up = true;
            handlers.up();
          },
          down() {
            if (!up) return;
            up = false;
            handlers.down();
          },
        },
      );
    },
    connected: () => up,
    work: (endpoint, frame) => send(workInbox(endpoint), frame),
    answer({ inbox }, frame) {
      send(inbox, frame);
    },
    ask(endpoint, request, frame) {
      send(subjects.control(endpoint), frame, subjects.reply(endpoint, `${gateway}-${request}`));
    },
    logs(endpoint, task, onBytes) {
      const n = ++logs;
      const subscribe = () =>
        (connection as NatsConnection).subscribe(subjects.log(endpoint, task), {
          callback: guarded(options.log, (message) => onBytes(message.data)),
        });
      const log = { subscription: connection ? subscribe() : undefined, subscribe };
      logSubscriptions.set(n, log);
      return () => {
        logSubscriptions.delete(n);
        log.subscription?.unsubscribe();
      };
    },
    deafen() {
      for (const subscription of listening.splice(0)) subscription.unsubscribe();
    },
    async close() {
      stopped.abort();
      if (!connection) return;
      if (up) await connection.flush().catch(() => undefined);
      up = false;
      await connection.close();
    },
  };
}

type Listening = { handlers: WireHandlers; gateway: string; log: Logger };

function subscribeAll(nats: NatsConnection, { handlers, gateway, log }: Listening): Subscription[] {
  const on = (subject: string, handle: (endpoint: string, message: Msg) => void, queue?: string) =>
    nats.subscribe(subject, {
      ...(queue ? { queue } : {}),
      callback: guarded(log, (message) => handle(tokenOf(message.subject, 1), message)),
    });
  const request = (handle: (asked: Asked, bytes: Uint8Array) => void) => (endpoint: string, message: Msg) => {
    // Replies are not permission-checked by NATS: to answer elsewhere would write in the agent's name where it may not.
    if (!message.reply?.startsWith(`${inboxPrefix(endpoint)}.`)) {
      handlers.refused(endpoint, `a reply subject outside its inbox: ${message.reply?.slice(0, 100)}`);
      return;
    }
    handle({ endpoint, inbox: message.reply }, unshared(message.data));
  };
  return [
    on(subjects.hello("*"), request(handlers.hello), GATEWAY_QUEUE),
    on(subjects.results("*"), request(handlers.results), GATEWAY_QUEUE),
    on(subjects.state("*"), request(handlers.state), GATEWAY_QUEUE),
    on(subjects.pull("*"), (endpoint, { data }) => handlers.pull(endpoint, data), GATEWAY_QUEUE),
    on(subjects.credit("*"), (endpoint, { data }) => handlers.credit(endpoint, data)),
    on(subjects.reply("*", "*"), (endpoint, message) => {
      const [to, request] = tokenOf(message.subject, 3).split("-");
      // NATS itself answers where nobody listens, with no data: to ask again is all there is to do.
      if (message.data.length === 0) return;
      // Every gateway hears every reply; the first part says whose it is.
      if (to === gateway && request !== undefined) handlers.reply(endpoint, Number(request), message.data);
    }),
  ];
}

/** The client gathers a large message in a buffer of its own; one that lies among others may not be moved (large-buffers.ts). */
function unshared(data: Uint8Array): Uint8Array {
  return isLarge(data) && data.byteOffset !== 0 ? data.slice() : data;
}

/** A callback that throws would end the client's reading for ever, so none may. */
function guarded(log: Logger, handle: (message: Msg) => void): (error: Error | null, message: Msg) => void {
  return (error, message) => {
    try {
      if (error) log.error({ err: error }, "a NATS subscription failed");
      else handle(message);
    } catch (err) {
      log.error({ err, subject: message.subject }, "a message could not be handled");
    }
  };
}

function tokenOf(subject: string, position: number): string {
  return subject.split(".", position + 1)[position] ?? "";
}
