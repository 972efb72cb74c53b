/** Opens a connection to NATS over TCP, TLS or WebSocket, as the servers' URLs say. */
import { type ConnectionOptions, connect, type NatsConnection, type WsSocketFactory, wsconnect } from "nats";
import { WebSocket } from "ws";
import { wayOf } from "../protocol/nats-servers.ts";

/** Where to connect to, and whose certificates are trusted there. */
export type NatsServers = {
  servers: readonly string[];
  /** certificates in PEM; those that Node trusts when not said */
  ca?: string | undefined;
};

/** Connects. Rejects when no server answers, or none with a certificate that is trusted. */
export function dial({ servers, ca }: NatsServers, options: ConnectionOptions): Promise<NatsConnection> {
  const all = { ...options, servers: [...servers] };
  switch (wayOf(servers)) {
    case "websocket":
      return wsconnect({ ...all, wsFactory: webSocketWith(ca) });
    case "tls":
      // Given at all, it makes the client refuse a server that does not speak TLS.
      return connect({ ...all, tls: ca === undefined ? {} : { ca } });
    default:
      return connect({ ...all, ...(ca === undefined ? {} : { tls: { ca } }) });
  }
}

/** Node's own WebSocket cannot be given certificates. */
function webSocketWith(ca: string | undefined): WsSocketFactory {
  return async (url) => ({
    socket: new WebSocket(url, { ...(ca === undefined ? {} : { ca }), perMessageDeflate: false }) as never,
    encrypted: /^wss:/i.test(url),
  });
}
