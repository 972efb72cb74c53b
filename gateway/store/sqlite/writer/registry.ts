/** Functions, endpoints, tokens and the audit log. */
import { ApiError } from "../../../../protocol/errors.ts";
import type { FunctionDefinition } from "../../../../protocol/function.ts";
import type { TokenRow } from "../../port.ts";
import type { Base } from "./base.ts";

export type FunctionInput = {
  owner: string;
  name: string;
  id: string;
  definition: FunctionDefinition;
  code: Uint8Array;
};

/** Prepares the operations on what is registered. */
export function createRegistryOps(base: Base, credentials: { revokeToken(id: string): void }) {
  const { db } = base;
  const sql = (text: string) => db.prepare(text);
  const putCode = sql("insert into codes(hash, bytes) values(?, ?) on conflict(hash) do nothing");
  const dropName = sql("delete from functions where owner = ? and id = ? and name = ?");
  const putFunction = sql(
    "insert into functions(id, owner, name, definition, code, code_size, registered_at) values(?, ?, ?, ?, ?, ?, ?)",
  );
  const namedEndpoint = sql("select id from endpoints where name = ? and deleted_at is null");
  const endpointOwner = sql("select owner, deleted_at from endpoints where id = ?");
  const putEndpoint = sql("insert into endpoints(id, name, owner, description, registered_at) values(?, ?, ?, ?, ?)");
  const changeEndpoint = sql("update endpoints set name = ?, description = ? where id = ?");
  const putToken = sql(
    "insert into tokens(id, hash, owner, name, scopes, endpoint, created_at, expires_at) values(?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const touchToken = sql("update tokens set last_used_at = max(coalesce(last_used_at, 0), ?) where id = ?");
  const dropToken = sql("delete from tokens where id = ?");
  const audit = sql("insert into audit(at, actor, action, target, outcome) values(?, ?, ?, ?, ?)");

  return {
    putFunction({ owner, name, id, definition, code }: FunctionInput): void {
      putCode.run(definition.code, code);
      // Registered again, it is the newest of its name: `name` means what was registered last.
      dropName.run(owner, id, name);
      putFunction.run(id, owner, name, JSON.stringify(definition), definition.code, code.length, base.now);
      base.interning.owner(owner).functions.add(id);
    },
    putEndpoint({
      id,
      name,
      owner,
      description,
    }: {
      id: string;
      name: string;
      owner: string;
      description: string;
    }): void {
      const named = namedEndpoint.get(name) as { id: string } | undefined;
      const known = endpointOwner.get(id) as { owner: string; deleted_at: number | null } | undefined;
      if (named && named.id !== id) throw new ApiError("CONFLICT", `an endpoint named ${name} exists`);
      if (known && (known.owner !== owner || known.deleted_at !== null)) {
        throw new ApiError("CONFLICT", `the endpoint id ${id} is taken`);
      }
      if (known) {
        changeEndpoint.run(name, description, id);
        const endpoint = base.endpoints.byId(id);
        if (endpoint) endpoint.name = name;
        return;
      }
      putEndpoint.run(id, name, owner, description, base.now);
      base.endpoints.load(id);
    },
    putToken(row: Omit<TokenRow, "lastUsedAt">): void {
      const scopes = JSON.stringify(row.scopes);
      putToken.run(row.id, row.hash, row.owner, row.name, scopes, row.endpoint, row.createdAt, row.expiresAt);
    },
    touchTokens(used: { id: string; at: number }[]): void {
      for (const { id, at } of used) touchToken.run(at, id);
    },
    revokeToken({ id }: { id: string }): boolean {
      credentials.revokeToken(id);
      return dropToken.run(id).changes > 0;
    },
    audit(entry: { actor: string; action: string; target: string; outcome: string }): void {
      audit.run(base.now, entry.actor, entry.action, entry.target, entry.outcome);
    },
  };
}
