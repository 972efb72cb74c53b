/** The agent's side of the wire for tests: over a real connection, with a place to lose and double messages. */
import type { NatsConnection } from "nats";
import { decodeFrame } from "../../protocol/frame.ts";
import { subjects, workInbox } from "../../protocol/subjects.ts";

export type AgentWire = {
  readonly endpoint: string;
  publish(subject: string, frame: Uint8Array): void;
  ask<T>(subject: string, frame: Uint8Array): Promise<T>;
  serve(onWork: (bytes: Uint8Array) => void, onControl: (bytes: Uint8Array) => Uint8Array): void;
  close(): Promise<void>;
};

export type AgentWireOptions = {
  endpoint: string;
  connection: NatsConnection;
  /** how often a message is delivered: 0 loses it, 2 doubles it */
  times?: () => number;
  timeoutMs?: number;
};

/** Each message, in each direction, is delivered as often as `times` says. */
export function createAgentWire(options: AgentWireOptions): AgentWire {
  const { endpoint, connection, times = () => 1, timeoutMs = 1_000 } = options;
  const repeat = (action: () => void) => {
    for (let left = times(); left > 0; left--) action();
  };
  const publish = (subject: string, frame: Uint8Array, reply?: string) => {
    if (!connection.isClosed()) connection.publish(subject, frame, reply ? { reply } : {});
  };
  let asked = 0;
  const answers = new Map<string, (bytes: Uint8Array) => void>();
  connection.subscribe(`_INBOX_${endpoint}.answer.*`, {
    callback: (_, message) => {
      // Without data it is NATS that says that nobody listens: as no answer.
      if (message.data.length > 0) repeat(() => answers.get(message.subject)?.(message.data));
    },
  });
  return {
    endpoint,
    publish: (subject, frame) => repeat(() => publish(subject, frame)),
    ask<T>(subject: string, frame: Uint8Array): Promise<T> {
      const inbox = `_INBOX_${endpoint}.answer.${++asked}-${Math.random().toString(36).slice(2)}`;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          answers.delete(inbox);
          reject(new Error(`${subject}: no answer`));
        }, timeoutMs);
        answers.set(inbox, (bytes) => {
          clearTimeout(timer);
          answers.delete(inbox);
          resolve(decodeFrame(bytes).header as T);
        });
        repeat(() => publish(subject, frame, inbox));
      });
    },
    serve(onWork, onControl) {
      connection.subscribe(workInbox(endpoint), { callback: (_, message) => repeat(() => onWork(message.data)) });
      connection.subscribe(subjects.control(endpoint), {
        callback: (_, message) =>
          repeat(() => {
            const answer = onControl(message.data);
            repeat(() => publish(message.reply ?? "", answer));
          }),
      });
    },
    async close() {
      if (!connection.isClosed()) await connection.close();
    },
  };
}
