/** The whole gateway as it is run, with a real nats-server, and an agent that keeps to the protocol and runs nothing. */
import { createUser } from "@nats-io/nkeys";
import { connect, jwtAuthenticator } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LeaseEntry } from "../../protocol/batch.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { newId } from "../../protocol/ids.ts";
import { inboxPrefix, subjects } from "../../protocol/subjects.ts";
import { startNats, type TestNats } from "../support/nats-server.ts";
import { startTestAgent, succeed, type TestAgent, type TestAgentOptions } from "../support/test-agent.ts";
import { type AgentWire, createAgentWire } from "../support/test-agent-wire.ts";
import { readEvents, until } from "./support/events.ts";
import { clientOf, createEndpoint, registerFunction, type TestClient } from "./support/gateway.ts";
import { type GatewayHome, makeGatewayHome } from "./support/process.ts";

let nats: TestNats;
let home: GatewayHome;
let client: TestClient;
let fn: string;
beforeAll(async () => {
  nats = await startNats();
  home = await makeGatewayHome({ nats: { servers: [nats.url], dir: nats.authDir } });
  const { url, token } = await home.start();
  client = clientOf(url, token);
  fn = await registerFunction(client);
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await nats.stop();
});

/** An agent with a credential that it got as a real one does: over HTTP, for its own key. */
async function agentOf(
  endpoint: { id: string; token: string },
  options: Partial<TestAgentOptions> = {},
): Promise<TestAgent & { wire: AgentWire }> {
  const user = createUser();
  const path = `/v1/endpoints/${endpoint.id}/credentials`;
  const body = { userKey: user.getPublicKey() };
  const minted = await client.json<{ jwt: string; servers: string[]; expiresAt: number }>("POST", path, {
    token: endpoint.token,
    body,
  });
  expect(minted).toMatchObject({ servers: [nats.url] });
  expect(minted.expiresAt).toBeGreaterThan(Date.now());
  const connection = await connect({
    servers: minted.servers,
    authenticator: jwtAuthenticator(minted.jwt, user.getSeed()),
    inboxPrefix: inboxPrefix(endpoint.id),
  });
  const wire = createAgentWire({ endpoint: endpoint.id, connection });
  return Object.assign(await startTestAgent({ wire, ...options }), { wire });
}

async function submit(endpoint: string, count = 1, spec: Record<string, unknown> = {}): Promise<string[]> {
  const body = { specs: [{ function: fn, endpoint, ...spec }], tasks: Array.from({ length: count }, () => ({})) };
  return (await client.json<{ ids: string[] }>("POST", "/v1/tasks", { body })).ids;
}
const taskOf = (id: string) =>
  client.json<{ state: string; attempt: number; waits: { reason: string } | null }>("GET", `/v1/tasks/${id}`);

describe("the gateway between HTTP and NATS", () => {
  it("hands tasks out and brings results back to the event stream", async () => {
    const group = newId();
    const events = await readEvents(client, { query: `?group=${group}` });
    await until("hello", () => events.messages.length > 0);
    const endpoint = await createEndpoint(client, "through");
    const ids = await submit(endpoint.id, 50, { group });
    const agent = await agentOf(endpoint);
    const more = await submit(endpoint.id, 50, { group });
    const ended = () => events.tasks.filter(({ state }) => state === "succeeded");
    await until("all have ended", () => ended().length === 100);
    expect(
      ended()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...ids, ...more].sort());
    expect(ended().every(({ text }) => text === "1")).toBe(true);
    expect(await client.json("GET", "/readyz")).toEqual({ ok: true, store: "ok", nats: "ok" });
    events.close();
    await agent.stop();
  });

  it("answers a call as soon as its result is there", async () => {
    const agent = await agentOf(await createEndpoint(client, "calling"));
    const answer = await client.request("POST", "/v1/functions/f/invoke", { body: { endpoint: "calling", args: [1] } });
    expect([answer.status, await answer.json()]).toMatchObject([200, { state: "succeeded", value: 1 }]);
    await agent.stop();
  });

  it("knows an agent that is online, drains it, and says so of what waits", async () => {
    const endpoint = await createEndpoint(client, "draining");
    const stateOf = async () => (await client.json<{ state: string }>("GET", "/v1/endpoints/draining")).state;
    expect(await stateOf()).toBe("never-started");
    const agent = await agentOf(endpoint, { window: 0 });
    await agent.beat();
    expect(await stateOf()).toBe("online");
    expect(await client.json("POST", "/v1/endpoints/draining/drain", { body: { drain: true } })).toEqual({ ok: true });
    expect(agent.controls).toContainEqual(expect.objectContaining({ kind: "drain", drain: true }));
    expect(await stateOf()).toBe("draining");
    const [id] = await submit("draining");
    expect((await taskOf(id as string)).waits).toMatchObject({ reason: "endpoint-draining" });
    await agent.stop();
  });

  it("G7: kills what was cancelled while it ran, and its late result changes nothing", async () => {
    const endpoint = await createEndpoint(client, "killing");
    const agent = await agentOf(endpoint, { run: () => undefined });
    const [id] = (await submit(endpoint.id)) as [string];
    await until("the agent has it", () => agent.held().length === 1);
    const [task] = agent.held() as [LeaseEntry];
    expect(await client.json("POST", `/v1/tasks/${id}/cancel`)).toEqual({ cancelled: true, state: "cancelled" });
    await until("the agent was told", () => agent.killed.length > 0);
    expect(agent.killed).toContainEqual([id, task.lease]);
    expect(await agent.finish(task)).toMatchObject({ ok: true, superseded: 1 });
    expect(await taskOf(id)).toMatchObject({ state: "cancelled" });
    await agent.stop();
  });

  it("G9: drops results of unknown tasks, of other endpoints' and of earlier hand-outs, and goes on", async () => {
    const mine = await agentOf(await createEndpoint(client, "mine"), { run: () => undefined });
    const forger = await agentOf(await createEndpoint(client, "forger"));
    const [id] = (await submit("mine")) as [string];
    await until("the agent has it", () => mine.held().length === 1);
    const [task] = mine.held() as [LeaseEntry];
    const unknown = newId();
    const forged = await forger.report([succeed({ id, lease: task.lease }), succeed({ id: unknown, lease: 1 })]);
    expect(forged).toMatchObject({ ok: true, superseded: 2 });
    expect(await mine.report([succeed({ id, lease: task.lease + 1 })])).toMatchObject({ ok: true, superseded: 1 });
    expect(await taskOf(id)).toMatchObject({ state: "leased" });
    expect((await client.request("GET", `/v1/tasks/${unknown}`)).status).toBe(404);
    // Noise does not wedge the consumer, and is answered with an error that is not retried.
    for (const noise of [
      new Uint8Array(0),
      new Uint8Array(20).fill(255),
      encodeFrame({ epoch: "x" }),
      encodeFrame([]),
    ]) {
      mine.wire.publish(subjects.results(mine.endpoint), noise);
    }
    expect(await mine.finish(task)).toMatchObject({ ok: true, superseded: 0 });
    expect(await mine.finish(task)).toMatchObject({ ok: true, superseded: 1 });
    expect(await taskOf(id)).toMatchObject({ state: "succeeded" });
    await mine.stop();
    await forger.stop();
  });

  it("rule 16: streams a running task's output to who follows it, and its end", async () => {
    const endpoint = await createEndpoint(client, "talking");
    const agent = await agentOf(endpoint, { run: () => undefined });
    const [id] = (await submit(endpoint.id)) as [string];
    await until("the agent has it", () => agent.held().length === 1);
    const [task] = agent.held() as [LeaseEntry];
    const stream = await client.request("GET", `/v1/tasks/${id}/logs?follow=true`);
    const text = stream.text();
    await until("the agent is asked for it", () => agent.controls.some(({ kind }) => kind === "watch"));
    const say = (offset: number, words: string, of: "stdout" | "stderr" = "stdout") => {
      const header = { task: id, lease: task.lease, stream: of, offset };
      agent.wire.publish(subjects.log(endpoint.id, id), encodeFrame(header, [Buffer.from(words)]));
    };
    say(0, "one ");
    say(4, "two ");
    say(4, "two ");
    say(0, "oops", "stderr");
    await agent.finish(task);
    const shown = (await text)
      .split("\n")
      .filter((line) => line.startsWith("data: "))
      .map((line) => JSON.parse(line.slice(6)) as { stream?: string; text?: string; state?: string });
    const of = (name: string) =>
      shown
        .filter(({ stream }) => stream === name)
        .map((each) => each.text)
        .join("");
    expect([of("stdout"), of("stderr")]).toEqual(["one two ", "oops"]);
    expect(shown.at(-1)).toEqual({ state: "succeeded" });
    await agent.stop();
  });
});
