import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, credsAuthenticator, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  GATEWAY_CREDS_FILE,
  mintAgentCredentials,
  readRevoker,
  readSigner,
} from "../../../gateway/wire/credentials.ts";
import { newId } from "../../../protocol/ids.ts";
import { inboxPrefix, subjects } from "../../../protocol/subjects.ts";
import { connectAsAgent } from "../../support/agent-connection.ts";
import { startNats, type TestNats } from "../../support/nats-server.ts";

const mine = newId();
const theirs = newId();
const task = newId();

describe("isolation of endpoints on NATS", () => {
  let nats: TestNats;
  let attacker: NatsConnection;
  let gateway: NatsConnection;
  const refused: string[] = [];

  beforeAll(async () => {
    nats = await startNats();
    const creds = await readFile(join(nats.authDir, GATEWAY_CREDS_FILE));
    gateway = await connect({ servers: nats.url, authenticator: credsAuthenticator(creds) });
    attacker = await connectAsAgent({ url: nats.url, authDir: nats.authDir, endpoint: mine });
    void note(attacker, refused);
  });
  afterAll(async () => {
    await attacker.close();
    await gateway.close();
    await nats.stop();
  });

  const everything = (endpoint: string) => [
    subjects.hello(endpoint),
    subjects.pull(endpoint),
    subjects.credit(endpoint),
    subjects.results(endpoint),
    subjects.state(endpoint),
    subjects.log(endpoint, task),
    subjects.reply(endpoint, "1"),
  ];

  it("an agent says everything that is its own", async () => {
    const heard: string[] = [];
    for (const subject of everything("*")) {
      gateway.subscribe(subject.replace(task, "*").replace(/reply\.1$/, "reply.*"), {
        callback: (_, message) => void heard.push(message.subject),
      });
    }
    await gateway.flush();
    for (const subject of everything(mine)) attacker.publish(subject, "x");
    await attacker.flush();
    await gateway.flush();
    expect(heard.sort()).toEqual(everything(mine).sort());
    expect(refused).toEqual([]);
  });

  it("an agent's user can publish nothing of another endpoint, to no inbox, and to no service of the server", async () => {
    const targets = [
      ...everything(theirs),
      subjects.control(theirs),
      subjects.control(mine),
      `${inboxPrefix(theirs)}.work`,
      `${inboxPrefix(mine)}.work`,
      "_INBOX.x",
      "$JS.API.INFO",
      "$SYS.REQ.SERVER.PING",
      "$SYS.REQ.ACCOUNT.PING.CONNZ",
      "anything",
    ];
    for (const subject of targets) {
      refused.length = 0;
      attacker.publish(subject, "x");
      await attacker.flush();
      await said(refused);
      expect(refused, subject).toEqual([`publish ${subject}`]);
    }
  });

  it("an agent's user can subscribe to nothing of another endpoint, by name or by pattern, with a queue or without", async () => {
    const targets = [
      subjects.control(theirs),
      ...everything(theirs),
      `${inboxPrefix(theirs)}.>`,
      `${inboxPrefix(theirs)}.work`,
      "ep.>",
      "ep.*.ctl",
      "ep.*.results",
      `ep.${mine}.>`,
      ">",
      "*.>",
      "_INBOX.>",
      "$SYS.>",
    ];
    for (const queue of [undefined, "gateways", "*"]) {
      for (const subject of targets) {
        refused.length = 0;
        attacker.subscribe(subject, { ...(queue ? { queue } : {}), callback: () => {} });
        await attacker.flush();
        await said(refused);
        expect(refused, `${subject} ${queue}`).toEqual([`subscription ${subject}`]);
      }
    }
  });

  it("the gateway's user cannot speak as an agent, nor reach the server's services", async () => {
    const seen: string[] = [];
    const creds = await readFile(join(nats.authDir, GATEWAY_CREDS_FILE));
    const connection = await connect({ servers: nats.url, authenticator: credsAuthenticator(creds) });
    void note(connection, seen);
    for (const subject of [...everything(mine), "$SYS.REQ.SERVER.PING", "$JS.API.INFO"]) {
      seen.length = 0;
      connection.publish(subject, "x");
      await connection.flush();
      await said(seen);
      expect(seen, subject).toEqual([`publish ${subject}`]);
    }
    for (const subject of [">", `${inboxPrefix(mine)}.>`, subjects.control("*")]) {
      seen.length = 0;
      connection.subscribe(subject, { callback: () => {} });
      await connection.flush();
      await said(seen);
      expect(seen, subject).toEqual([`subscription ${subject}`]);
    }
    await connection.close();
  });

  it("the revoker's user can push accounts and nothing else", async () => {
    const keys = await readRevoker(nats.authDir);
    const authenticator = credsAuthenticator(new TextEncoder().encode(keys?.creds));
    const connection = await connect({ servers: nats.url, authenticator, inboxPrefix: "_INBOX_revoker" });
    const seen: string[] = [];
    void note(connection, seen);
    for (const subject of ["$SYS.REQ.SERVER.PING", "$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.SERVER.X.KICK", "anything"]) {
      seen.length = 0;
      connection.publish(subject, "x");
      await connection.flush();
      await said(seen);
      expect(seen, subject).toEqual([`publish ${subject}`]);
    }
    seen.length = 0;
    connection.subscribe("$SYS.>", { callback: () => {} });
    await connection.flush();
    await said(seen);
    expect(seen).toEqual(["subscription $SYS.>"]);
    const answer = await connection.request("$SYS.REQ.CLAIMS.UPDATE", "not a document", { timeout: 5_000 });
    expect(answer.json()).toMatchObject({ error: { code: 500 } });
    await connection.close();
  });

  it("nobody connects without credentials, or with those of another account", async () => {
    await expect(connect({ servers: nats.url, maxReconnectAttempts: 0 })).rejects.toThrow(/authorization/i);
    const other = await startNats();
    try {
      const stranger = connectAsAgent({ url: nats.url, authDir: other.authDir, endpoint: mine });
      await expect(Promise.race([stranger, refusal(nats, other)])).rejects.toThrow(/authorization/i);
    } finally {
      await other.stop();
    }
  });

  it("a name that would widen the template is not signed", async () => {
    const signer = await readSigner(nats.authDir);
    const userKey = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR";
    for (const endpoint of ["*", ">", "a.b", "", `${theirs}.>`, "a b", "x".repeat(65)]) {
      await expect(mintAgentCredentials({ signer, endpoint, userKey })).rejects.toThrow(TypeError);
    }
  });

  it("credentials end: the server cuts the connection when they expire", async () => {
    const short = await connectAsAgent({ url: nats.url, authDir: nats.authDir, endpoint: mine, ttlMs: 1_500 });
    const changes: string[] = [];
    for await (const change of short.status()) {
      changes.push(change.type === "error" ? change.error.name : change.type);
      if (change.type === "disconnect") break;
    }
    expect(changes.join()).toMatch(/UserAuthenticationExpired/);
    await short.close();
  });
});

/** Notes what the server refuses, as `publish <subject>` or `subscription <subject>`. */
async function note(connection: NatsConnection, refused: string[]): Promise<void> {
  for await (const change of connection.status()) {
    if (change.type !== "error") continue;
    const { operation, subject } = change.error as unknown as { operation: string; subject: string };
    refused.push(`${operation} ${subject}`);
  }
}

/** The client tells of a refusal a moment after it arrived. */
async function said(refused: string[]): Promise<void> {
  for (let i = 0; i < 200 && refused.length === 0; i++) await sleep(5);
}

/** Connects once with a stranger's credentials. */
async function refusal(nats: TestNats, other: TestNats): Promise<never> {
  const creds = await readFile(join(other.authDir, GATEWAY_CREDS_FILE));
  await connect({ servers: nats.url, authenticator: credsAuthenticator(creds), maxReconnectAttempts: 0 });
  throw new Error("a stranger was let in");
}
