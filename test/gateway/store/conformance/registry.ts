import { describe, expect, it } from "vitest";
import { createWorld, FUNCTION, type OpenStore, OWNER, putFunction, text } from "./world.ts";

const OTHER = "e".repeat(64);

export function registryRules(open: OpenStore): void {
  describe("functions, endpoints, tokens and the audit log", () => {
    it("a name means the function that was registered last under it", async () => {
      const { store } = await createWorld(open);
      await putFunction(store, OWNER, OTHER, "noop");
      expect((await store.getFunction("noop", OWNER))?.id).toBe(OTHER);
      await putFunction(store, OWNER, FUNCTION, "noop");
      expect((await store.getFunction("noop", OWNER))?.id).toBe(FUNCTION);
      expect((await store.listFunctions(OWNER, { limit: 9 })).items.map((item) => item.id)).toEqual([FUNCTION, OTHER]);
      expect(text(await store.functionCode(FUNCTION))).toBe("export default () => 1");
    });

    it("functions are seen by those who registered them", async () => {
      const { store } = await createWorld(open);
      expect(await store.getFunction("noop", "bob")).toBeUndefined();
      expect(await store.getFunction(FUNCTION, "bob")).toBeUndefined();
      expect(await store.getFunction(FUNCTION, null)).toMatchObject({ name: "noop", owner: OWNER, codeSize: 22 });
      expect((await store.listFunctions("bob", { limit: 9 })).items).toEqual([]);
    });

    it("functions are listed by page and by name", async () => {
      const { store } = await createWorld(open);
      await putFunction(store, OWNER, OTHER, "other");
      const first = await store.listFunctions(OWNER, { limit: 1 });
      expect(first.items.map((item) => item.name)).toEqual(["other"]);
      const rest = await store.listFunctions(OWNER, { limit: 1, cursor: first.cursor as string });
      expect(rest.items.map((item) => item.name)).toEqual(["noop"]);
      expect((await store.listFunctions(OWNER, { limit: 9, name: "noop" })).items).toHaveLength(1);
    });

    it("an endpoint is found by id and by name; a name is given once", async () => {
      const { store, endpoint, newId } = await createWorld(open);
      expect(await store.getEndpoint(endpoint)).toEqual(await store.getEndpoint("laptop"));
      const taken = store.putEndpoint({ id: newId(), name: "laptop", owner: "bob", description: "" });
      await expect(taken).rejects.toMatchObject({ code: "CONFLICT" });
      const changed = await store.putEndpoint({ id: endpoint, name: "desk", owner: OWNER, description: "mine" });
      expect(changed).toMatchObject({ id: endpoint, name: "desk", description: "mine", epoch: 1 });
      expect(await store.getEndpoint("laptop")).toBeUndefined();
    });

    it("endpoints are listed by page", async () => {
      const { store, newId } = await createWorld(open);
      for (const name of ["b", "c"]) await store.putEndpoint({ id: newId(), name, owner: OWNER, description: "" });
      const first = await store.listEndpoints({ limit: 2 });
      const rest = await store.listEndpoints({ limit: 2, cursor: first.cursor as string });
      expect([...first.items, ...rest.items].map((item) => item.name)).toEqual(["laptop", "b", "c"]);
    });

    it("a token is found by its hash until it is revoked", async () => {
      const { store, clock } = await createWorld(open);
      const row = {
        id: "t-1",
        hash: "h-1",
        owner: OWNER,
        name: "profile",
        scopes: ["invoke" as const, "read" as const],
        endpoint: null,
        createdAt: clock.ms,
        expiresAt: null,
      };
      await store.putToken(row);
      expect(await store.findToken("h-1")).toEqual({ ...row, lastUsedAt: null });
      expect(await store.findToken("h-2")).toBeUndefined();
      await store.touchTokens([
        { id: "t-1", at: 5 },
        { id: "t-1", at: 3 },
        { id: "gone", at: 9 },
      ]);
      expect(await store.listTokens()).toEqual([{ ...row, lastUsedAt: 5 }]);
      expect(await store.revokeToken("t-1")).toBe(true);
      expect(await store.revokeToken("t-1")).toBe(false);
      expect(await store.findToken("h-1")).toBeUndefined();
    });

    it("the audit log is listed newest first", async () => {
      const { store, clock } = await createWorld(open);
      for (const target of ["a", "b", "c"]) {
        await store.audit({ actor: OWNER, action: "cancelTasks", target, outcome: "ok" });
      }
      const first = await store.listAudit({ limit: 2 });
      expect(first.items).toEqual([
        { seq: 3, at: clock.ms, actor: OWNER, action: "cancelTasks", target: "c", outcome: "ok" },
        { seq: 2, at: clock.ms, actor: OWNER, action: "cancelTasks", target: "b", outcome: "ok" },
      ]);
      const rest = await store.listAudit({ limit: 2, cursor: first.cursor as string });
      expect(rest.items.map((item) => item.target)).toEqual(["a"]);
    });

    it("users of the wire are revoked with their token or their endpoint, and forgotten once they have expired", async () => {
      const { store, endpoint, newId, clock } = await createWorld(open);
      const HOUR = 3_600_000;
      const other = newId();
      await store.putEndpoint({ id: other, name: "other", owner: OWNER, description: "" });
      const putToken = (id: string, of: string) =>
        store.putToken({
          id,
          hash: id,
          owner: OWNER,
          name: id,
          scopes: ["agent"],
          endpoint: of,
          createdAt: 1,
          expiresAt: null,
        });
      for (const [id, of] of [
        ["t1", endpoint],
        ["t2", endpoint],
        ["t3", other],
      ] as const)
        await putToken(id, of);
      const put = (userKey: string, token: string, of = endpoint) =>
        store.putCredential({ userKey, endpoint: of, token, expiresAt: clock.ms + HOUR });
      await put("U1", "t1");
      await put("U2", "t2");
      await put("U3", "t3", other);
      expect(await store.revokedUsers()).toEqual([]);
      await expect(put("U3", "t1")).rejects.toMatchObject({ code: "CONFLICT" });
      const revokedAt = clock.ms;
      await store.revokeToken("t1");
      expect(await store.revokedUsers()).toEqual([{ userKey: "U1", revokedAt }]);
      await expect(put("U1", "t1")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });

      clock.ms += HOUR / 2;
      await put("U2", "t2");
      await store.deleteEndpoint(endpoint);
      await expect(put("U2", "t2")).rejects.toMatchObject({ code: "NOT_FOUND" });
      const revoked = async () => new Map((await store.revokedUsers()).map((row) => [row.userKey, row.revokedAt]));
      expect(await revoked()).toEqual(
        new Map([
          ["U1", clock.ms],
          ["U2", clock.ms],
        ]),
      );
      clock.ms += HOUR / 2 + 600_000;
      expect([...(await revoked()).keys()]).toEqual(["U2"]);
      clock.ms += HOUR / 2;
      expect(await revoked()).toEqual(new Map());
    });

    it("an endpoint has a bounded number of users at a time", async () => {
      const { store, endpoint, clock } = await createWorld(open);
      const row = { id: "t", hash: "h", owner: OWNER, name: "n", scopes: ["agent" as const], endpoint };
      await store.putToken({ ...row, createdAt: 1, expiresAt: null });
      const put = (n: number) =>
        store.putCredential({ userKey: `U${n}`, endpoint, token: "t", expiresAt: clock.ms + 1000 });
      await Promise.all(Array.from({ length: 256 }, (_, n) => put(n)));
      await put(0);
      await expect(put(256)).rejects.toMatchObject({ code: "RATE_LIMITED" });
      clock.ms += 3_600_000;
      await put(256);
    });
  });
}
