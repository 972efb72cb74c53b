/** NATS over TLS and over WebSocket, with a certificate that only the configured authority vouches for: gateway and agent. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../deploy/ports.ts";
import { keepConnected } from "../../../endpoint-agent/connection.ts";
import { createNatsUser } from "../../../endpoint-agent/credentials.ts";
import { createGatewayHttp } from "../../../endpoint-agent/gateway-http.ts";
import { sayHello } from "../../../endpoint-agent/hello.ts";
import { dial } from "../../../gateway/wire/dial.ts";
import { makeCertificate } from "../../support/certificates.ts";
import { startNats } from "../../support/nats-server.ts";
import { until } from "../support/events.ts";
import { clientOf, createEndpoint } from "../support/gateway.ts";
import { makeGatewayHome } from "../support/process.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never;

/** A nats-server that speaks TLS alone, on its own port and as WebSocket on another. */
async function startSecure() {
  const dir = await mkdtemp(join(tmpdir(), "farcall-tls-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const { cert, key } = makeCertificate();
  const [certFile, keyFile] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  const webSocketPort = await freePort();
  const tls = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`;
  const nats = await startNats({
    config: `${tls}\nwebsocket { listen: "127.0.0.1:${webSocketPort}", ${tls} }\n`,
  });
  onTestFinished(() => nats.stop());
  const urls = { tls: `tls://127.0.0.1:${nats.port}`, wss: `wss://127.0.0.1:${webSocketPort}` };
  return { nats, ca: certFile, pem: cert, urls };
}

describe("NATS with TLS", { timeout: 60_000 }, () => {
  for (const scheme of ["tls", "wss"] as const) {
    it(`carries gateway and agent over ${scheme}://, trusting the authority that gateway.yaml names; revocation too`, async () => {
      const { nats, ca, pem, urls } = await startSecure();
      await using home = await makeGatewayHome({ nats: { servers: [urls[scheme]], dir: nats.authDir, ca } });
      const gateway = await home.start();
      const client = clientOf(gateway.url, gateway.token);
      await until("the gateway is connected", async () => (await client.request("GET", "/readyz")).status === 200);

      const { id, token } = await createEndpoint(client, "secure");
      const stopped = new AbortController();
      const { signal } = stopped;
      const http = createGatewayHttp(async () => ({ gateway: gateway.url, endpoint: id, token }), signal);
      const user = await createNatsUser(http);
      expect([user.servers, user.ca]).toEqual([[urls[scheme]], pem]);
      let rejected = 0;
      const agent = await keepConnected(
        { endpoint: id, user, log: silent, signal },
        { work() {}, control: () => undefined, connected() {}, rejected: () => void rejected++ },
      );
      onTestFinished(async () => {
        stopped.abort();
        await agent.close();
      });
      const hello = { version: "t", takeOver: false, orphanTimeoutMs: 60_000, journalEpoch: 0 };
      expect(await sayHello(agent, { ...hello, endpoint: id, log: silent, signal })).toMatchObject({ epoch: 1 });

      await client.request("DELETE", `/v1/endpoints/${id}`);
      await until("the agent is cut", () => !agent.connected, 5_000);
      await until("the agent hears why", () => rejected > 0, 20_000);
    });
  }

  it("is refused by a client that does not trust the certificate, or that was told to expect TLS where there is none", async () => {
    const { urls } = await startSecure();
    const once = { maxReconnectAttempts: 0, reconnect: false, timeout: 3_000 };
    for (const url of Object.values(urls)) {
      await expect(dial({ servers: [url] }, once)).rejects.toThrow(/self.signed|certificate|connection/i);
      const other = makeCertificate().cert;
      await expect(dial({ servers: [url], ca: other }, once)).rejects.toThrow(/self.signed|certificate|connection/i);
    }
    await using plain = await startNats();
    await expect(dial({ servers: [plain.url.replace("nats:", "tls:")] }, once)).rejects.toThrow(/tls/i);
  });

  it("is refused when the certificate is another machine's", async () => {
    const dir = await mkdtemp(join(tmpdir(), "farcall-tls-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const { cert, key } = makeCertificate({ names: ["elsewhere.example"], addresses: ["10.9.8.7"] });
    const [certFile, keyFile] = [join(dir, "cert.pem"), join(dir, "key.pem")];
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    await using nats = await startNats({ config: `tls { cert_file: "${certFile}", key_file: "${keyFile}" }\n` });
    const once = { maxReconnectAttempts: 0, reconnect: false, timeout: 3_000 };
    const url = `tls://127.0.0.1:${nats.port}`;
    await expect(dial({ servers: [url], ca: cert }, once)).rejects.toThrow(/altnames|certificate/i);
  });
});
