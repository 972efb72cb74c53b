/** Which endpoint a call means. Endpoints change rarely and are looked up for every call, so they are kept for seconds. */
import { ApiError } from "../../protocol/errors.ts";
import { type Actor, isVisible } from "../auth/authorize.ts";
import type { EndpointRow, Store } from "../store/port.ts";

const TRUSTED_MS = 2000;
const MAX_CACHED = 10_000;
const LISTED = 50;

/** Finds endpoints as an actor sees them. */
export type EndpointDirectory = {
  /** The endpoint by id or name, if the actor may see it. Undefined without a promise when it is not cached. */
  cached(actor: Actor, idOrName: string | undefined): EndpointRow | undefined;
  /** The endpoint by id or name; without one, the only one visible. Throws ENDPOINT_UNKNOWN, ENDPOINT_REQUIRED. */
  resolve(actor: Actor, idOrName: string | undefined): Promise<EndpointRow>;
  /** The endpoint if it exists and is visible. */
  find(actor: Actor, idOrName: string): Promise<EndpointRow | undefined>;
  /** Forgets everything, after an endpoint was made or deleted. */
  changed(): void;
};

/** Makes the directory of one gateway. */
export function createEndpointDirectory(
  store: Pick<Store, "getEndpoint" | "listEndpoints">,
  now: () => number = Date.now,
): EndpointDirectory {
  const rows = new Map<string, { row: EndpointRow; until: number }>();
  const onlyOne = new Map<string, { row: EndpointRow; until: number }>();

  const fresh = (kept: { row: EndpointRow; until: number } | undefined) =>
    kept !== undefined && kept.until > now() ? kept.row : undefined;

  async function find(actor: Actor, idOrName: string): Promise<EndpointRow | undefined> {
    let row = fresh(rows.get(idOrName));
    if (!row) {
      row = await store.getEndpoint(idOrName);
      if (!row) return undefined;
      if (rows.size >= MAX_CACHED) rows.clear();
      rows.set(idOrName, { row, until: now() + TRUSTED_MS });
    }
    return isVisible(actor, { owner: row.owner, endpoint: row.id }) ? row : undefined;
  }

  async function theOnlyOne(actor: Actor): Promise<EndpointRow> {
    const visible: EndpointRow[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.listEndpoints({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
      visible.push(...page.items.filter((row) => isVisible(actor, { owner: row.owner, endpoint: row.id })));
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined && visible.length < LISTED);
    const [row] = visible;
    if (visible.length !== 1 || !row) throw endpointRequired(visible.map(({ name }) => name));
    onlyOne.set(actor.tokenId, { row, until: now() + TRUSTED_MS });
    return row;
  }

  return {
    cached(actor, idOrName) {
      if (idOrName === undefined) return fresh(onlyOne.get(actor.tokenId));
      const row = fresh(rows.get(idOrName));
      return row && isVisible(actor, { owner: row.owner, endpoint: row.id }) ? row : undefined;
    },
    async resolve(actor, idOrName) {
      if (idOrName === undefined) return fresh(onlyOne.get(actor.tokenId)) ?? theOnlyOne(actor);
      const row = await find(actor, idOrName);
      if (row) return row;
      throw new ApiError("ENDPOINT_UNKNOWN", `no endpoint ${JSON.stringify(idOrName)} is visible to this token`, {
        details: { field: "endpoint", value: idOrName },
      });
    },
    find,
    changed() {
      rows.clear();
      onlyOne.clear();
    },
  };
}

function endpointRequired(names: string[]): ApiError {
  const choices = names.slice(0, LISTED);
  const message =
    choices.length === 0
      ? "the call names no endpoint, and there is none yet; `farcall endpoint configure` makes one"
      : `the call names no endpoint, and there are several: ${choices.join(", ")}`;
  return new ApiError("ENDPOINT_REQUIRED", message, { details: { field: "endpoint", choices } });
}
