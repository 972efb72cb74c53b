/** Stands between a client and a gateway, passes requests on, and loses the replies that a test names. */
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";

export type ReplyLoser = {
  url: string;
  /** Whether the reply to this request is lost after the gateway has given it. */
  lose: (route: string) => boolean;
  readonly lost: string[];
  close(): Promise<void>;
};

/** Starts the proxy in front of a gateway. */
export async function startReplyLoser(gatewayUrl: string): Promise<ReplyLoser> {
  const target = new URL(gatewayUrl);
  const loser: ReplyLoser = {
    url: "",
    lose: () => false,
    lost: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const route = `${method} ${url}`;
    const upstream = forward({ host: target.hostname, port: target.port, method, path: url, headers }, (answer) => {
      if (loser.lose(route)) {
        loser.lost.push(route);
        answer.resume();
        answer.on("end", () => incoming.socket.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  loser.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return loser;
}
