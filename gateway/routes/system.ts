/** Health, metrics, the API's own description, and who a token is. */
import { FRAME_MEDIA_TYPE } from "../../protocol/frame.ts";
import { docsPage } from "../docs-page.ts";
import type { Gateway } from "../gateway.ts";
import { json } from "../http/responses.ts";
import { openApiDocument } from "../openapi.ts";
import type { StoreStats } from "../store/port.ts";
import type { Handlers } from "./call.ts";

const STATS_MS = 1000;
/** Nothing may be loaded from elsewhere, and the page cannot be framed. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

type Routes = Pick<Handlers, "health" | "ready" | "metrics" | "openapi" | "docs" | "me">;

/** The handlers of the theme. */
export function systemRoutes(gateway: Gateway): Routes {
  const { store, dispatcher, streams, metrics, facts } = gateway;
  const stats = createStats(store);
  let openApiText: string | undefined;
  let docsText: string | undefined;
  return {
    health: () => ({ ok: true, version: facts.version }),
    ready: async () => {
      const storeState = await stats().then(
        () => "ok",
        (error: Error) => error.message,
      );
      const nats = dispatcher.connected() ? "ok" : "not connected";
      const ok = storeState === "ok" && nats === "ok";
      return json({ ok, store: storeState, nats }, ok ? 200 : 503);
    },
    metrics: async () => {
      const text = metrics.text({
        stats: await stats(),
        eventStreams: streams.count(),
        natsConnected: dispatcher.connected(),
        wire: dispatcher.counts(),
      });
      return new Response(text, { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } });
    },
    openapi: () => {
      openApiText ??= JSON.stringify(openApiDocument(facts.version, FRAME_MEDIA_TYPE));
      return new Response(openApiText, { headers: { "content-type": "application/json" } });
    },
    docs: () => {
      docsText ??= docsPage(facts.version);
      const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": PAGE_POLICY };
      return new Response(docsText, { headers });
    },
    me: ({ actor }) => ({
      owner: actor.owner,
      scopes: [...actor.scopes],
      endpoint: actor.endpoint,
      now: Date.now(),
      version: facts.version,
      durability: facts.durability,
      generation: store.generation,
    }),
  };
}

/** The store's facts, asked for once a second at most: readiness is open to everybody and must not cost commits. */
function createStats(store: Gateway["store"]): () => Promise<StoreStats> {
  let asked: Promise<StoreStats> | undefined;
  let askedAt = 0;
  return () => {
    if (!asked || Date.now() - askedAt > STATS_MS) {
      asked = store.stats();
      askedAt = Date.now();
    }
    return asked;
  };
}
