import { createUser } from "@nats-io/nkeys";
import { expect, it } from "vitest";
import { codeOf, createEndpoint, startTestGateway, type TestGateway } from "./support/gateway.ts";

it("a user of the wire that is signed while its token is being revoked is not handed out", async () => {
  let revoke: (() => Promise<unknown>) | undefined;
  const mintCredentials = async () => {
    await revoke?.();
    return { jwt: "jwt", servers: [], expiresAt: Date.now() + 3_600_000 };
  };
  await using gateway: TestGateway = await startTestGateway({ mintCredentials });
  const { id, token } = await createEndpoint(gateway, "e");
  const userKey = createUser().getPublicKey();
  const mint = () => gateway.request("POST", `/v1/endpoints/${id}/credentials`, { token, body: { userKey } });
  expect((await mint()).status).toBe(200);
  const own = (await gateway.store.listTokens()).find((row) => row.endpoint === id);
  revoke = () => gateway.store.revokeToken(own?.id as string);
  const answer = await mint();
  expect([answer.status, await codeOf(answer)]).toEqual([401, "UNAUTHENTICATED"]);
});
