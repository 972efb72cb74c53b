/** The wire traffic of an agent that has nothing to do: a connection, a start, a pull without credit, heartbeats. */

import { createUser } from "@nats-io/nkeys";
import { connect, credsAuthenticator } from "nats";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import type { Heartbeat, Hello, HelloAnswer, Pull, WorkMessage } from "../../protocol/messages.ts";
import { inboxPrefix, subjects, workInbox } from "../../protocol/subjects.ts";

export type IdleAgent = {
  /** heartbeats that were answered */
  answered(): number;
  stop(): Promise<void>;
};

export type IdleEndpoint = { id: string; jwt: string; seed: Uint8Array; servers: string[] };

const REQUEST_TIMEOUT_MS = 10_000;

/** A new NATS user key: the gateway signs `publicKey`, the agent proves it with `seed`. */
export function createIdleKey(): { publicKey: string; seed: Uint8Array } {
  const user = createUser();
  return { publicKey: user.getPublicKey(), seed: user.getSeed() };
}

/** Connects and stays. Its first heartbeat comes at a random moment of its period, as those of real agents do. */
export async function startIdleAgent({ id, jwt, seed, servers }: IdleEndpoint): Promise<IdleAgent> {
  const connection = await connect({
    servers,
    authenticator: credsAuthenticator(credentials(jwt, seed)),
    inboxPrefix: inboxPrefix(id),
    maxReconnectAttempts: -1,
  });
  const request = async <T>(subject: string, message: Hello | Heartbeat): Promise<T> => {
    const answer = await connection.request(subject, encodeFrame(message), { timeout: REQUEST_TIMEOUT_MS });
    return decodeFrame(answer.data).header as T;
  };
  const hello = await request<HelloAnswer>(subjects.hello(id), helloOf(id));
  if (!hello.ok) throw new Error(`endpoint ${id}: ${hello.error.message}`);
  const { epoch, heartbeatMs } = hello;

  let pull = 0;
  const open = () => {
    const message: Pull = { epoch, pull: ++pull, limits: {}, countUpTo: 2 };
    connection.publish(subjects.pull(id), encodeFrame(message));
  };
  connection.subscribe(workInbox(id), {
    callback: (_error, { data }) => {
      if ((decodeFrame(data).header as WorkMessage).kind === "end") open();
    },
  });
  open();

  let answered = 0;
  let timer: NodeJS.Timeout;
  const beat = () => {
    request(subjects.state(id), heartbeatOf(epoch)).then(
      () => answered++,
      () => {},
    );
    timer = setTimeout(beat, heartbeatMs);
  };
  timer = setTimeout(beat, Math.random() * heartbeatMs);
  return {
    answered: () => answered,
    stop() {
      clearTimeout(timer);
      return connection.close();
    },
  };
}

function helloOf(id: string): Hello {
  return {
    version: "bench",
    host: "bench",
    bootId: "bench",
    pid: process.pid,
    nonce: id,
    takeOver: true,
    orphanTimeoutMs: 60_000,
  };
}

function heartbeatOf(epoch: number): Heartbeat {
  return {
    epoch,
    sentAt: performance.now(),
    digest: { count: 0, hash: "0000000000000000", olderThanMs: 10_000 },
    summary: {
      state: "running",
      slots: 0,
      busy: 0,
      blocks: [],
      maxBlocks: 1,
      trouble: null,
      version: "bench",
      host: "bench",
      rssMb: 0,
    },
  };
}

function credentials(jwt: string, seed: Uint8Array): Uint8Array {
  const section = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  const text = section("NATS USER JWT", jwt) + section("USER NKEY SEED", new TextDecoder().decode(seed));
  return new TextEncoder().encode(text);
}
