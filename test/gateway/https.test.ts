/** The gateway's own TLS: what it shows, how it is renewed, and what speaks plain HTTP to it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeCertificate, type TestCertificate } from "../support/certificates.ts";
import { until } from "./support/events.ts";
import { type GatewayProcess, makeGatewayHome } from "./support/process.ts";

async function certificateFiles(first: TestCertificate) {
  const dir = await mkdtemp(join(tmpdir(), "farcall-https-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const files = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
  const write = async ({ cert, key }: TestCertificate) => {
    await writeFile(files.cert, cert);
    await writeFile(files.key, key);
  };
  await write(first);
  return { files, write };
}

/** The status of a request that trusts exactly this certificate, or the error's code. */
function ask(gateway: GatewayProcess, { cert }: TestCertificate): Promise<number | string> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${gateway.token}` };
    const sent = request(`${gateway.url}/v1/me`, { ca: cert, headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end();
  });
}

describe("the gateway with tls", { timeout: 60_000 }, () => {
  it("answers over HTTPS alone", async () => {
    const certificate = makeCertificate();
    const { files } = await certificateFiles(certificate);
    await using home = await makeGatewayHome({ tls: files });
    const gateway = await home.start();
    expect(gateway.url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    expect(await ask(gateway, certificate)).toBe(200);
    expect(await ask(gateway, makeCertificate())).toMatch(/SELF_SIGNED|UNABLE/);
    const plain = await new Promise((resolve) => {
      const sent = plainRequest(gateway.url.replace("https:", "http:"), { agent: false }, () => resolve("answered"));
      sent.once("error", () => resolve("refused"));
      sent.end();
    });
    expect(plain).toBe("refused");
    expect(await ask(gateway, certificate)).toBe(200);
  });

  it("shows a renewed certificate after SIGHUP, and keeps the old one while the new one is damaged", async () => {
    const [old, renewed] = [makeCertificate(), makeCertificate()];
    const { files, write } = await certificateFiles(old);
    await using home = await makeGatewayHome({ tls: files });
    const gateway = await home.start();
    let said = "";
    gateway.child.stderr?.on("data", (bytes) => {
      said += String(bytes);
    });
    // Half of a renewal: a certificate and the key of another.
    await write({ cert: renewed.cert, key: old.key });
    gateway.child.kill("SIGHUP");
    await until("the damage is told", () => said.includes("the old one stays"));
    expect(await ask(gateway, old)).toBe(200);
    await write(renewed);
    gateway.child.kill("SIGHUP");
    await until("the new one is shown", async () => (await ask(gateway, renewed)) === 200);
    expect(await ask(gateway, old)).not.toBe(200);
  });

  it("notices a renewed certificate by itself", async () => {
    const [old, renewed] = [makeCertificate(), makeCertificate()];
    const { files, write } = await certificateFiles(old);
    await using home = await makeGatewayHome({ tls: files });
    const gateway = await home.start();
    await write(renewed);
    await until("the new one is shown", async () => (await ask(gateway, renewed)) === 200, 30_000);
  });

  it("does not start with files that are no certificate and its key", async () => {
    const { files } = await certificateFiles({ cert: makeCertificate().cert, key: makeCertificate().key });
    await using home = await makeGatewayHome({ tls: files });
    await expect(home.start()).rejects.toThrow("code 2");
  });
});
