/** Endpoints: register, look at, drain, delete; and their agents' credentials. */
import { badField } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { isId, newId } from "../../protocol/ids.ts";
import type { OperationName } from "../../protocol/operations.ts";
import { authorize, isVisible, notFound } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import type { EndpointRow } from "../store/port.ts";
import { endpointView } from "../use-cases/endpoint-view.ts";
import { issueToken } from "../use-cases/tokens.ts";
import { type Call, type Handlers, param } from "./call.ts";
import { pageOptions } from "./page.ts";

type Routes = Pick<
  Handlers,
  | "createEndpoint"
  | "listEndpoints"
  | "getEndpoint"
  | "deleteEndpoint"
  | "drainEndpoint"
  | "declareDead"
  | "endpointCredentials"
>;

/** The handlers of the theme. */
export function endpointRoutes(gateway: Gateway): Routes {
  const { store, dispatcher, endpoints, revocation } = gateway;

  async function visible<N extends OperationName>(call: Call<N>, action: N): Promise<EndpointRow> {
    const idOrName = param(call, "endpoint");
    const row = await store.getEndpoint(idOrName);
    if (!row) throw notFound("endpoint", idOrName);
    authorize(call.actor, action, { kind: "endpoint", name: idOrName, owner: row.owner, endpoint: row.id });
    return row;
  }

  return {
    createEndpoint: async (call) => {
      const { name, description } = call.body;
      const { owner } = call.actor;
      if (isId(name)) throw badField("body.name", name, "a name that is no id");
      if (await store.getEndpoint(name)) {
        throw new ApiError("CONFLICT", `an endpoint ${name} exists`, { details: { field: "name", value: name } });
      }
      const row = await store.putEndpoint({ id: newId(), name, owner, description });
      endpoints.changed();
      call.target = `endpoint ${name} ${row.id}`;
      // The agent's token lives as long as its endpoint: it is what a new one would be fetched with.
      const issued = {
        owner,
        name: `agent of ${name}`,
        scopes: ["agent" as const],
        endpoint: row.id,
        expiresInMs: null,
      };
      const { token } = await issueToken(store, issued);
      return { endpoint: await endpointView(gateway, row), token };
    },
    listEndpoints: async ({ actor, query }) => {
      const page = await store.listEndpoints(pageOptions(query));
      const rows = page.items.filter((row) => isVisible(actor, { owner: row.owner, endpoint: row.id }));
      return { items: await Promise.all(rows.map((row) => endpointView(gateway, row))), cursor: page.cursor };
    },
    getEndpoint: async (call) => endpointView(gateway, await visible(call, "getEndpoint")),
    deleteEndpoint: async (call) => {
      const { id } = await visible(call, "deleteEndpoint");
      const { cancelled } = await store.deleteEndpoint(id, (effects) => {
        // Kills go out while the agent can still hear them; after the first slice it is revoked in the database.
        dispatcher.apply(effects);
        revocation.changed();
      });
      endpoints.changed();
      await revokeAgents(gateway, id);
      return { ok: true, cancelled };
    },
    drainEndpoint: async (call) => {
      const { id } = await visible(call, "drainEndpoint");
      await store.setDraining(id, call.body.drain);
      endpoints.changed();
      await dispatcher.drain(id, call.body.drain);
      return { ok: true };
    },
    declareDead: async (call) => {
      const { id, name } = await visible(call, "declareDead");
      const message = `${call.actor.owner} declared the host of ${name} dead`;
      const effects = await store.releaseAll(id, { reason: "MANAGER_LOST", message });
      dispatcher.apply(effects);
      return { ok: true, released: effects.released };
    },
    endpointCredentials: async (call) => {
      const { id } = await visible(call, "endpointCredentials");
      const { userKey } = call.body;
      const minted = await gateway.mintCredentials(id, userKey);
      // Between signature and answer: what is not known here could not be revoked, and what a revocation has overtaken is
      // refused. One that comes later is younger than the signature, so it counts for it.
      await store.putCredential({ userKey, endpoint: id, token: call.actor.tokenId, expiresAt: minted.expiresAt });
      return minted;
    },
  };
}

async function revokeAgents({ store, auth }: Gateway, endpoint: string): Promise<void> {
  for (const token of await store.listTokens()) {
    if (token.endpoint !== endpoint) continue;
    await store.revokeToken(token.id);
    auth.forget(token.id);
  }
}
