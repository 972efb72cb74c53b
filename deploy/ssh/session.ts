/** A login on a site: commands and files over one connection, through as many hosts as it takes. */
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { ApiError } from "../../protocol/errors.ts";
import type { Connection } from "./carrier.ts";
import { createSession, type SshSession } from "./channels.ts";
import { connectHop, type HopOptions } from "./hop.ts";
import type { SshHost } from "./host.ts";
import type { Prompter } from "./prompter.ts";
import { type RouteOptions, resolveRoute } from "./route.ts";
import { findShared } from "./shared-connection.ts";
import { loadSsh2 } from "./ssh2.ts";

export type SessionOptions = RouteOptions & {
  prompter: Prompter;
  acceptNewHostKey: boolean;
  signal: AbortSignal;
  readyTimeoutMs?: number | undefined;
};

export type LoginSession = SshSession & Pick<Connection, "listen">;

/** Logs in at `[user@]host[:port]`: over the connection that `ssh` shares, where there is one, else by ourselves. */
export async function openSession(target: string, options: SessionOptions): Promise<LoginSession> {
  const hosts = await resolveRoute(target, options);
  const last = hosts.at(-1) as SshHost;
  const name = `${last.user}@${last.alias}`;
  // Jump hosts that were asked for by name may lead somewhere else.
  const shared = options.jump === undefined ? await findShared(last, options.env) : undefined;
  if (shared) options.prompter.show(`${name}: over the connection that ssh shares (${last.controlPath})`);
  const way = shared ?? (await connectThrough(hosts, options));
  const session = createSession(way.carrier, name);
  const close = () => way.carrier.end();
  options.signal.addEventListener("abort", close, { once: true });
  void session.closed.then(() => {
    options.signal.removeEventListener("abort", close);
    close();
  });
  return { ...session, listen: way.listen, close };
}

/** Every host's key is verified under its own name. */
async function connectThrough(hosts: readonly SshHost[], options: SessionOptions): Promise<Connection> {
  const hop: HopOptions = { ...options, ssh2: await loadSsh2() };
  const clients: Client[] = [];
  const end = () => {
    for (const client of clients.toReversed()) client.end();
  };
  try {
    for (const host of hosts) clients.push(await connectHop(host, clients.at(-1), hop));
  } catch (error) {
    end();
    throw error;
  }
  const client = clients.at(-1) as Client;
  return {
    carrier: {
      once: (event, listener) => void client.once(event, listener),
      exec: (command, callback) => void client.exec(command, { env: hosts.at(-1)?.setEnv ?? {} }, callback),
      sftp: (callback) => void client.sftp(callback),
      end,
    },
    listen: ({ address, port }, onConnection) =>
      new Promise((resolve, reject) => {
        const accept = (_: unknown, take: () => Duplex) => onConnection(take());
        client.on("tcp connection", accept);
        client.forwardIn(address, port, (error, bound) => {
          if (!error) return resolve(port === 0 ? bound : port);
          client.off("tcp connection", accept);
          reject(new ApiError("SITE_UNFIT", `the login node forwards no port: ${error.message}`, { cause: error }));
        });
      }),
  };
}
