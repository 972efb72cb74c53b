/** Opens a connection to NATS over TCP, TLS or WebSocket, as the servers' URLs say. */
import { type ConnectionOptions, connect, type NatsConnection, type WsSocketFactory, wsconnect } from "nats";
import { WebSocket } from "ws";
import { ApiError } from "../protocol/errors.ts";
import { wayOf } from "../protocol/nats-servers.ts";
import type { HttpProxy } from "./proxy.ts";

/** Where to connect to, and whose certificates are trusted there. */
export type NatsServers = {
  servers: readonly string[];
  /** certificates in PEM; those that Node trusts when not said */
  ca?: string | undefined;
  /** the way out of the site; only WebSocket goes through it */
  proxy?: HttpProxy | undefined;
};

/** Connects. Rejects when no server answers, or none with a certificate that is trusted. */
export function dial({ servers, ca, proxy }: NatsServers, options: ConnectionOptions): Promise<NatsConnection> {
  if (proxy && wayOf(servers) !== "websocket") {
    const what = `the proxy carries WebSocket, and the gateway names ${servers.join(", ")}`;
    return Promise.reject(
      new ApiError("CONFIG_INVALID", `${what}: its nats.agentServers must be wss:// or ws:// ones`),
    );
  }
  const all = { ...options, servers: [...servers] };
  switch (wayOf(servers)) {
    case "websocket":
      return wsconnect({ ...all, wsFactory: webSocketWith(ca, proxy) });
    case "tls":
      // Given at all, it makes the client refuse a server that does not speak TLS.
      return connect({ ...all, tls: ca === undefined ? {} : { ca } });
    default:
      return connect({ ...all, ...(ca === undefined ? {} : { tls: { ca } }) });
  }
}

/** Node's own WebSocket cannot be given certificates. */
function webSocketWith(ca: string | undefined, proxy: HttpProxy | undefined): WsSocketFactory {
  return async (url) => {
    const encrypted = /^wss:/i.test(url);
    const agent = proxy ? { agent: proxy.agentFor(encrypted, ca) } : {};
    const options = { ...(ca === undefined ? {} : { ca }), ...agent, perMessageDeflate: false };
    return { socket: new WebSocket(url, options) as never, encrypted };
  };
}
