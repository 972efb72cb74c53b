/** A name that stays while what is behind it moves: forwards connections to whatever port is the target now. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export type TcpProxy = {
  readonly port: number;
  /** Where new connections go from now on. */
  target(port: number): void;
  /** Ends the connections that are open. */
  cut(): void;
  /** A black hole: connections stay open and new ones are taken, but nothing comes through; until `release`. */
  hold(): void;
  release(): void;
  stop(): Promise<void>;
};

/** What goes through, each connection's two ways. */
export type Tap = (connection: number, from: "client" | "target", bytes: Buffer) => void;

/** Listens on a free loopback port. */
export async function startTcpProxy(targetPort: number, tap?: Tap): Promise<TcpProxy> {
  let to = targetPort;
  const open = new Set<Socket>();
  /** what is read from each */
  const flows = new Map<Socket, Socket>();
  let held = false;
  let connections = 0;
  const server = createServer((client) => {
    const upstream = connect({ host: "127.0.0.1", port: to });
    const number = ++connections;
    if (tap) {
      client.on("data", (bytes: Buffer) => tap(number, "client", bytes));
      upstream.on("data", (bytes: Buffer) => tap(number, "target", bytes));
    }
    for (const [from, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      flows.set(from, other);
      if (!held) from.pipe(other);
      from.on("error", () => other.destroy());
      from.on("close", () => {
        open.delete(from);
        flows.delete(from);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    target(port) {
      to = port;
    },
    cut,
    hold() {
      held = true;
      for (const [from, other] of flows) from.unpipe(other).pause();
    },
    release() {
      held = false;
      for (const [from, other] of flows) from.pipe(other);
    },
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
