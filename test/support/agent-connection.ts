/** Connects to NATS as an endpoint's agent does: with a user that the gateway's signer minted. */
import { createUser } from "@nats-io/nkeys";
import { connect, jwtAuthenticator, type NatsConnection } from "nats";
import { mintAgentCredentials, readSigner } from "../../gateway/wire/credentials.ts";
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { inboxPrefix } from "../../protocol/subjects.ts";

export type AgentConnectionOptions = { url: string; authDir: string; endpoint: string; ttlMs?: number };

/** A connection with the rights of one endpoint's agent. */
export async function connectAsAgent(options: AgentConnectionOptions): Promise<NatsConnection> {
  const { url, authDir, endpoint, ttlMs = 600_000 } = options;
  const user = createUser();
  const signer = await readSigner(authDir);
  const { jwt } = await mintAgentCredentials({ signer, endpoint, userKey: user.getPublicKey(), ttlMs });
  return connect({
    servers: url,
    authenticator: jwtAuthenticator(jwt, user.getSeed()),
    inboxPrefix: inboxPrefix(endpoint),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    reconnectJitter: 50,
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  });
}

/** Asks with a frame of this header and returns the answer's header. */
export async function ask<T>(connection: NatsConnection, subject: string, header: unknown): Promise<T> {
  const answer = await connection.request(subject, encodeFrame(header), { timeout: 5_000 });
  return decodeFrame(answer.data).header as T;
}
