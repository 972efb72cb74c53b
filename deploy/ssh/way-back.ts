/** How managers of a site reach an agent that is elsewhere: the login node listens for them and passes them on. */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { ManagerDial } from "../../endpoint-agent/manager-config.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { LoginSession } from "./session.ts";

export type WayBackOptions = {
  /** of the login node, as compute nodes reach it */
  address: string;
  /** undefined: a free one, kept over connections where that can be */
  port: number | undefined;
  /** where the agent listens */
  local: ManagerDial & { kind: "tls" };
  /** runs there: what says whether something listens */
  python: string;
  init: string | undefined;
};

export type WayBack = {
  /** Makes the login node of a new connection listen; returns the port. Throws SITE_UNFIT when no node would get through. */
  open(session: LoginSession): Promise<number>;
};

const CHECK_MS = 60_000;

/** Of one agent; the port that it was given last is asked for again. */
export function createWayBack(options: WayBackOptions): WayBack {
  const { address, local } = options;
  let last = options.port ?? 0;
  const onConnection = (stream: Duplex) => joinEnds(stream, connect({ host: local.host, port: local.port }));
  const listen = async (session: LoginSession) => {
    try {
      return await session.listen({ address, port: last }, onConnection);
    } catch (error) {
      // The connection that was lost may still hold it there.
      if (last === 0 || options.port !== undefined) throw error;
      return session.listen({ address, port: 0 }, onConnection);
    }
  };
  return {
    async open(session) {
      last = await listen(session);
      await check(session, { ...options, port: last });
      return last;
    },
  };
}

/** sshd says yes and listens on the loopback alone when it may do no more: then no node would ever reach it. */
async function check(
  session: LoginSession,
  { address, port, python, init }: Pick<WayBackOptions, "address" | "python" | "init"> & { port: number },
): Promise<void> {
  const text = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()";
  const words = [python, "-c", text, address, String(port)];
  const argv = init === undefined ? words : ["/bin/sh", "-c", `${init}\nexec "$@"`, "sh", ...words];
  const { code, stderr } = await session.exec(argv, { timeoutMs: CHECK_MS });
  if (code === 0) return;
  const why = stderr.trim().split("\n").at(-1) ?? "";
  throw new ApiError(
    "SITE_UNFIT",
    `${session.name} does not pass on what comes to ${address}:${port} (${why}): its sshd needs \`GatewayPorts clientspecified\`; ` +
      "without, leave driver.forward away and set link.address to an address of this machine that its nodes reach",
  );
}

/** Two ends of one connection. */
function joinEnds(a: Duplex, b: Duplex): void {
  a.pipe(b).pipe(a);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}
