/** The agent's connection over a real nats-server with real, short-lived users. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, credsAuthenticator, type NatsConnection } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Connection, keepConnected } from "../../endpoint-agent/connection.ts";
import { createNatsUser } from "../../endpoint-agent/credentials.ts";
import type { GatewayHttp } from "../../endpoint-agent/gateway-http.ts";
import { mintAgentCredentials, readSigner } from "../../gateway/wire/credentials.ts";
import { ApiError } from "../../protocol/errors.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { subjects } from "../../protocol/subjects.ts";
import { startNats, type TestNats } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { newTaskId } from "./support.ts";

const endpoint = newTaskId();
const log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never;

let nats: TestNats;
let gateway: NatsConnection | undefined;
let stopped: AbortController;
let connection: Connection | undefined;
const events = { connected: 0, minted: 0, rejected: undefined as ApiError | undefined };

beforeEach(async () => {
  nats = await startNats();
  stopped = new AbortController();
  Object.assign(events, { connected: 0, minted: 0, rejected: undefined });
});
afterEach(async () => {
  stopped.abort();
  await connection?.close();
  await gateway?.close();
  await nats.stop();
});

/** A gateway that answers what it is asked with the question. */
async function startGateway(): Promise<void> {
  gateway = await connect({
    servers: nats.url,
    authenticator: credsAuthenticator(readFileSync(join(nats.authDir, "gateway.creds"))),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  gateway.subscribe(subjects.results("*"), { callback: (_error, message) => void message.respond(message.data) });
  await gateway.flush();
}

async function startAgent(options: { ttlMs: number; refuse?: () => boolean }): Promise<Connection> {
  const signer = await readSigner(nats.authDir);
  const http = {
    async natsCredentials(userKey: string) {
      events.minted++;
      if (options.refuse?.()) throw new ApiError("NOT_FOUND", "this endpoint was deleted");
      const minted = await mintAgentCredentials({ signer, endpoint, userKey, ttlMs: options.ttlMs });
      return { ...minted, servers: [nats.url] };
    },
  } as GatewayHttp;
  const user = await createNatsUser(http);
  connection = await keepConnected(
    { endpoint, user, log, signal: stopped.signal },
    {
      work: () => {},
      control: (header) => encodeFrame({ ok: true, asked: header }),
      connected: () => void events.connected++,
      rejected: (error) => {
        events.rejected = error;
      },
    },
  );
  return connection;
}

async function answers(over: Connection): Promise<boolean> {
  const answer = await over.request(subjects.results(endpoint), encodeFrame({ n: 1 }), 1_000).catch(() => undefined);
  return (answer as { n?: number } | undefined)?.n === 1;
}

describe("the agent's connection", { timeout: 60_000 }, () => {
  it("asks and is answered, and answers what the gateway asks", async () => {
    await startGateway();
    const agent = await startAgent({ ttlMs: 60_000 });
    expect(await answers(agent)).toBe(true);
    let answer: unknown;
    const reply = subjects.reply(endpoint, "1");
    gateway?.subscribe(subjects.reply(endpoint, "*"), {
      callback: (_error, message) => {
        answer = decodeFrame(message.data).header;
      },
    });
    gateway?.publish(subjects.control(endpoint), encodeFrame({ kind: "drain" }), { reply });
    await waitFor(() => answer !== undefined, { what: "the answer" });
    expect(answer).toEqual({ ok: true, asked: { kind: "drain" } });
  });

  it("hears at once when there is no gateway, and in time when one does not answer", async () => {
    const agent = await startAgent({ ttlMs: 60_000 });
    const ask = (subject: string, timeoutMs: number) => agent.request(subject, encodeFrame({}), timeoutMs);
    await expect(ask(subjects.results(endpoint), 20_000)).rejects.toThrow("no gateway listens");
    await startGateway();
    gateway?.subscribe(subjects.hello("*"), { callback: () => {} });
    await gateway?.flush();
    await expect(ask(subjects.hello(endpoint), 50)).rejects.toThrow("no gateway answered within 50 ms");
  });

  it("renews its user at half of its life, so that the connection outlives it", async () => {
    await startGateway();
    const agent = await startAgent({ ttlMs: 4_000 });
    const until = Date.now() + 7_000;
    await waitFor(() => events.minted >= 3 && Date.now() > until, { what: "two renewals" });
    await waitFor(() => answers(agent), { what: "an answer after the first user's end" });
    expect(events.connected).toBeGreaterThanOrEqual(2);
  });

  it("N2: connects again after nats-server was killed, and does not keep what it could not send", async () => {
    await startGateway();
    const agent = await startAgent({ ttlMs: 600_000 });
    await nats.kill();
    await waitFor(() => !agent.connected, { what: "the loss" });
    await expect(agent.request(subjects.results(endpoint), encodeFrame({}), 1_000)).rejects.toThrow(/not connected/);
    await nats.restart();
    await waitFor(() => answers(agent), { what: "an answer again" });
    expect(events.connected).toBe(1);
  });

  it("follows nats-server to where the gateway says it is now", async () => {
    const agent = await startAgent({ ttlMs: 600_000 });
    await nats.kill();
    await nats.restart({ port: "other" });
    await startGateway();
    await waitFor(() => answers(agent), { what: "an answer from the new place" });
  });

  it("hears when its endpoint was deleted", async () => {
    await startGateway();
    let deleted = false;
    await startAgent({ ttlMs: 2_000, refuse: () => deleted });
    deleted = true;
    await waitFor(() => events.rejected !== undefined, { what: "the refusal" });
    expect(events.rejected?.code).toBe("NOT_FOUND");
  });
});
