/** An agent whose only way out is an HTTP proxy: gateway over HTTP and NATS over WebSocket, both through CONNECT. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../deploy/ports.ts";
import { keepConnected } from "../../endpoint-agent/connection.ts";
import { createNatsUser } from "../../endpoint-agent/credentials.ts";
import { createGatewayHttp } from "../../endpoint-agent/gateway-http.ts";
import { sayHello } from "../../endpoint-agent/hello.ts";
import { createProxy } from "../../endpoint-agent/proxy.ts";
import { clientOf, createEndpoint } from "../gateway/support/gateway.ts";
import { makeGatewayHome } from "../gateway/support/process.ts";
import { makeCertificate } from "../support/certificates.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { startNats } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never;
const never = new AbortController().signal;

describe("an agent behind an HTTP proxy", { timeout: 60_000 }, () => {
  for (const scheme of ["ws", "wss"] as const) {
    it(`reaches the gateway, and NATS over ${scheme}://, through it alone, and again when it was cut`, async () => {
      await using proxy = await startConnectProxy({ user: "me:it's%20secret" });
      const { nats, urls, ca } = await startWebSocketNats(scheme);
      await using home = await makeGatewayHome({
        nats: { servers: [urls], dir: nats.authDir, ...(ca ? { ca } : {}) },
      });
      const gateway = await home.start();
      const client = clientOf(gateway.url, gateway.token);
      await waitFor(async () => (await client.request("GET", "/readyz")).status === 200);
      const { id, token } = await createEndpoint(client, "behind");

      const stopped = new AbortController();
      const { signal } = stopped;
      const tunnel = createProxy(proxy.url);
      const http = createGatewayHttp(async () => ({ gateway: gateway.url, endpoint: id, token }), signal, tunnel);
      const user = await createNatsUser(http);
      let connects = 0;
      const agent = await keepConnected(
        { endpoint: id, user, proxy: tunnel, log: silent, signal },
        { work() {}, control: () => undefined, connected: () => void connects++, rejected() {} },
      );
      onTestFinished(async () => {
        stopped.abort();
        await agent.close();
      });
      const hello = { version: "t", takeOver: false, orphanTimeoutMs: 60_000, journalEpoch: 0 };
      expect(await sayHello(agent, { ...hello, endpoint: id, log: silent, signal })).toMatchObject({ epoch: 1 });
      const hosts = () => new Set(proxy.asked);
      expect(hosts()).toEqual(new Set([new URL(gateway.url).host, new URL(urls).host]));

      proxy.cut();
      await waitFor(() => connects > 0);
      expect(agent.connected).toBe(true);
    });
  }

  it("moves blobs both ways as streams, and says what the gateway refuses", async () => {
    const sent = randomBytes(3_000_000);
    const stored: Buffer[] = [];
    const server = createServer(async (request, response) => {
      if (request.url?.startsWith("/v1/functions")) {
        return response
          .writeHead(404, { "content-type": "application/json" })
          .end('{"error":{"code":"NOT_FOUND","message":"no"}}');
      }
      if (request.method === "GET") return response.end(sent);
      for await (const chunk of request) stored.push(chunk);
      response.writeHead(204).end();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => void server.close());
    await using proxy = await startConnectProxy();
    const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const http = createGatewayHttp(async () => ({ gateway, endpoint: "e", token: "t" }), never, createProxy(proxy.url));
    await http.putBlob("h", {
      task: "t",
      size: sent.length,
      body: Readable.from([sent.subarray(0, 9), sent.subarray(9)]),
    });
    const got = Buffer.concat(await (await http.fetchBlob("h", "t")).toArray());
    for (const bytes of [got, Buffer.concat(stored)]) expect(hash(bytes)).toBe(hash(sent));
    await expect(http.fetchFunction("f")).rejects.toMatchObject({ code: "FUNCTION_GONE" });
    expect(proxy.asked.length).toBeGreaterThan(0);
  });

  it("says what the proxy says: no password, no way there, no proxy at all", async () => {
    await using locked = await startConnectProxy({ user: "me:secret" });
    await using closed = await startConnectProxy({ refuse: () => true });
    const deaf = createTcpServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nI am no proxy"));
    await once(deaf.listen(0, "127.0.0.1"), "listening");
    const port = (deaf.address() as AddressInfo).port;
    deaf.close();
    const through = (url: string) =>
      createGatewayHttp(
        async () => ({ gateway: "http://127.0.0.1:9", endpoint: "e", token: "t" }),
        never,
        createProxy(url),
      ).natsCredentials("U");
    await expect(through(locked.url.replace("me:secret@", ""))).rejects.toThrow(
      /proxy 127.0.0.1:\d+ gives no way to 127.0.0.1:9: 407/,
    );
    await expect(through(closed.url)).rejects.toThrow(/403 Forbidden/);
    await expect(through(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("gives up a tunnel behind which nobody speaks TLS, and leaves no connection behind", async () => {
    const open = new Set<unknown>();
    const silent = createTcpServer((socket) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket)).on("error", () => {});
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
      socket.resume();
    });
    await once(silent.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => void silent.close());
    const proxy = createProxy(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, { answerMs: 200 });
    const asked = proxy.fetch(new URL("https://gateway.example/"), { signal: never });
    await expect(asked).rejects.toThrow("gateway.example:443 does not speak TLS");
    await waitFor(() => open.size === 0);
  });

  it("lets go of what it was to send when the way breaks", async () => {
    await using closed = await startConnectProxy({ refuse: () => true });
    const letGo = Promise.withResolvers<void>();
    const body = new ReadableStream({ cancel: () => letGo.resolve() });
    const asked = createProxy(closed.url).fetch(new URL("http://127.0.0.1:9/"), { method: "PUT", body, signal: never });
    await expect(asked).rejects.toThrow("403");
    await letGo.promise;
  });

  it("says at its start when the gateway names servers that no proxy carries", async () => {
    const user = { servers: ["nats://127.0.0.1:4222"], ca: undefined, renewAt: 0, renew: async () => {} } as never;
    const options = { endpoint: "e", user, proxy: createProxy("http://127.0.0.1:9"), log: silent, signal: never };
    const handlers = { work() {}, control: () => undefined, connected() {}, rejected() {} };
    await expect(keepConnected(options, handlers)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("agentServers"),
    });
  });
});

async function startWebSocketNats(scheme: "ws" | "wss") {
  const port = await freePort();
  let tls = "no_tls: true";
  let ca: string | undefined;
  if (scheme === "wss") {
    const dir = await mkdtemp(join(tmpdir(), "farcall-proxy-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const { cert, key } = makeCertificate();
    ca = join(dir, "cert.pem");
    await Promise.all([writeFile(ca, cert), writeFile(join(dir, "key.pem"), key)]);
    tls = `tls { cert_file: "${ca}", key_file: "${join(dir, "key.pem")}" }`;
  }
  const nats = await startNats({ config: `websocket { listen: "127.0.0.1:${port}", ${tls} }\n` });
  onTestFinished(() => nats.stop());
  return { nats, urls: `${scheme}://127.0.0.1:${port}`, ca };
}

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
