/** A login on a site: commands and files over one connection, through as many hosts as it takes. */
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { ApiError } from "../../protocol/errors.ts";
import { createSession, type SshSession } from "./channels.ts";
import { connectHop, type HopOptions } from "./hop.ts";
import type { Prompter } from "./prompter.ts";
import { type RouteOptions, resolveRoute } from "./route.ts";
import { loadSsh2 } from "./ssh2.ts";

export type SessionOptions = RouteOptions & {
  prompter: Prompter;
  acceptNewHostKey: boolean;
  signal: AbortSignal;
  readyTimeoutMs?: number | undefined;
};

export type LoginSession = SshSession & {
  /** Listens at an address of the site; returns the port. Ends with the connection. */
  listen(at: { address: string; port: number }, onConnection: (stream: Duplex) => void): Promise<number>;
};

/** Logs in at `[user@]host[:port]`. Every host's key is verified under its own name. */
export async function openSession(target: string, options: SessionOptions): Promise<LoginSession> {
  const ssh2 = await loadSsh2();
  const hosts = await resolveRoute(target, options);
  const clients: Client[] = [];
  const hop: HopOptions = { ...options, ssh2 };
  const closeAll = () => {
    for (const client of clients.toReversed()) client.end();
  };
  try {
    for (const host of hosts) clients.push(await connectHop(host, clients.at(-1), hop));
  } catch (error) {
    closeAll();
    throw error;
  }
  const last = hosts.at(-1);
  const session = createSession(clients.at(-1) as Client, `${last?.user}@${last?.alias}`);
  void session.closed.then(closeAll);
  options.signal.addEventListener("abort", closeAll, { once: true });
  const client = clients.at(-1) as Client;
  const listen: LoginSession["listen"] = ({ address, port }, onConnection) =>
    new Promise((resolve, reject) => {
      const accept = (_: unknown, take: () => Duplex) => onConnection(take());
      client.on("tcp connection", accept);
      client.forwardIn(address, port, (error, bound) => {
        if (!error) return resolve(port === 0 ? bound : port);
        client.off("tcp connection", accept);
        reject(new ApiError("SITE_UNFIT", `${session.name} forwards no port: ${error.message}`, { cause: error }));
      });
    });
  return { ...session, listen, close: closeAll };
}
