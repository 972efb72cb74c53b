/** A real HTTP proxy on loopback that gives tunnels (CONNECT), and notes to where. */
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

export type ConnectProxy = {
  url: string;
  /** `host:port` of each tunnel that was asked for */
  asked: string[];
  /** closes all tunnels */
  cut(): void;
};

/** Starts one; `authorization` is what it wants to be told, `refuse` to where it gives no tunnel. */
export async function startConnectProxy(
  options: {
    user?: string;
    refuse?: (authority: string) => boolean;
    /** where a name leads that only the proxy knows */
    names?: Readonly<Record<string, number>>;
  } = {},
): Promise<ConnectProxy & AsyncDisposable> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const hold = (socket: Socket) => sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on("connect", (request, client: Socket, head: Buffer) => {
    hold(client);
    const authority = request.url ?? "";
    asked.push(authority);
    const wanted = options.user && `Basic ${Buffer.from(decodeURIComponent(options.user)).toString("base64")}`;
    if (wanted && request.headers["proxy-authorization"] !== wanted) {
      return client.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n");
    }
    if (options.refuse?.(authority)) return client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const { hostname, port } = new URL(`http://${authority}`);
    const named = options.names?.[hostname];
    const upstream = connect(named ?? (Number(port) || 80), named ? "127.0.0.1" : hostname, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    hold(upstream);
    upstream.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://${options.user ? `${options.user}@` : ""}127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
