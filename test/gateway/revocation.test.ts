/** FAULTS.md section 3, "Agent credentials" and "API tokens": who is revoked loses the wire within seconds and does not come back. */
import { createUser } from "@nats-io/nkeys";
import { connect, jwtAuthenticator, type NatsConnection } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inboxPrefix } from "../../protocol/subjects.ts";
import { startNats, type TestNats } from "../support/nats-server.ts";
import { until } from "./support/events.ts";
import { clientOf, codeOf, createEndpoint, type TestClient } from "./support/gateway.ts";
import { type GatewayHome, type GatewayProcess, makeGatewayHome } from "./support/process.ts";

const WITHIN_MS = 5_000;

let nats: TestNats;
let home: GatewayHome;
let gateway: GatewayProcess;
let client: TestClient;
const opened: NatsConnection[] = [];
beforeEach(async () => {
  nats = await startNats();
  home = await makeGatewayHome({ nats: { servers: [nats.url], dir: nats.authDir } });
  gateway = await home.start();
  client = clientOf(gateway.url, gateway.token);
});
afterEach(async () => {
  for (const connection of opened.splice(0)) await connection.close();
  await home[Symbol.asyncDispose]();
  await nats.stop();
});

type Endpoint = { id: string; token: string };

/** The agent's side: a key, the user that the gateway signed for it, and as many connections as it likes. */
async function agentOf(endpoint: Endpoint, key = createUser()) {
  const mint = () =>
    client.request("POST", `/v1/endpoints/${endpoint.id}/credentials`, {
      token: endpoint.token,
      body: { userKey: key.getPublicKey() },
    });
  const { jwt } = (await (await mint()).json()) as { jwt: string };
  const open = async () => {
    const connection = await connect({
      servers: nats.url,
      authenticator: jwtAuthenticator(jwt, key.getSeed()),
      inboxPrefix: inboxPrefix(endpoint.id),
      reconnect: false,
    });
    opened.push(connection);
    return connection;
  };
  /** Whether the server lets it in with the user that it has. */
  const isLetIn = () =>
    open().then(
      () => true,
      (error: Error) => {
        expect(error.message).toMatch(/authorization|revoked/i);
        return false;
      },
    );
  return { key, mint, open, isLetIn, connection: await open() };
}

describe("a revoked agent", { timeout: 60_000 }, () => {
  it("is cut within 5 s of its endpoint's deletion and cannot come back, while another endpoint's connection stays", async () => {
    const endpoint = await createEndpoint(client, "gone");
    const agent = await agentOf(endpoint);
    const second = await agent.open();
    const other = await agentOf(await createEndpoint(client, "stays"));
    expect((await client.request("DELETE", `/v1/endpoints/${endpoint.id}`)).status).toBe(200);
    await until("both of its connections are cut", () => agent.connection.isClosed() && second.isClosed(), WITHIN_MS);
    expect(await agent.isLetIn()).toBe(false);
    expect((await agent.mint()).status).toBe(401);
    await other.connection.flush();
    expect(await other.isLetIn()).toBe(true);
    expect((await other.mint()).status).toBe(200);
    expect(other.connection.isClosed()).toBe(false);
  });

  it("is cut within 5 s of its token's revocation, and so is nobody who came with another token", async () => {
    const endpoint = await createEndpoint(client, "token");
    const agent = await agentOf(endpoint);
    const other = await agentOf(await createEndpoint(client, "stays"));
    const { items } = await client.json<{ items: { id: string; endpoint: string | null }[] }>("GET", "/v1/tokens");
    const token = items.find((item) => item.endpoint === endpoint.id)?.id;
    expect((await client.request("DELETE", `/v1/tokens/${token}`)).status).toBe(200);
    await until("it is cut", () => agent.connection.isClosed(), WITHIN_MS);
    expect(await agent.isLetIn()).toBe(false);
    expect(other.connection.isClosed()).toBe(false);
  });

  it("stays out when nats-server is restarted, when it is wiped, and when the gateway is restarted", async () => {
    const endpoint = await createEndpoint(client, "gone");
    const agent = await agentOf(endpoint);
    const other = await agentOf(await createEndpoint(client, "stays"));
    await client.request("DELETE", `/v1/endpoints/${endpoint.id}`);
    await until("it is cut", () => agent.connection.isClosed(), WITHIN_MS);

    await nats.restart();
    await until("the restarted server knows it", async () => !(await agent.isLetIn()), WITHIN_MS);
    await nats.kill();
    await nats.wipe();
    await nats.restart();
    await until("the wiped server is told", async () => !(await agent.isLetIn()), WITHIN_MS);
    expect(await other.isLetIn()).toBe(true);

    const exited = new Promise((resolve) => gateway.child.once("exit", resolve));
    gateway.child.kill("SIGKILL");
    await exited;
    await nats.kill();
    await nats.wipe();
    await nats.restart();
    // Nothing but the database knows it now.
    const slippedIn = await agent.open();
    await home.start();
    await until("a gateway that starts tells it", async () => !(await agent.isLetIn()), WITHIN_MS);
    await until("who slipped in is cut", () => slippedIn.isClosed(), WITHIN_MS);
    expect(await other.isLetIn()).toBe(true);
  });

  it("that was revoked while nats-server was down is told of when it is back", async () => {
    const endpoint = await createEndpoint(client, "gone");
    const agent = await agentOf(endpoint);
    await nats.kill();
    await client.request("DELETE", `/v1/endpoints/${endpoint.id}`);
    await nats.restart();
    await until("it is told", async () => !(await agent.isLetIn()), WITHIN_MS);
  });

  it("cannot have another endpoint's key revoked by claiming it", async () => {
    const victim = await agentOf(await createEndpoint(client, "victim"));
    const thief = await createEndpoint(client, "thief");
    const answer = await client.request("POST", `/v1/endpoints/${thief.id}/credentials`, {
      token: thief.token,
      body: { userKey: victim.key.getPublicKey() },
    });
    expect([answer.status, await codeOf(answer)]).toEqual([409, "CONFLICT"]);
  });
});
