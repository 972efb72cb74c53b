/** How managers of a site reach an agent that is elsewhere: the login node listens for them and passes them on. */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { ManagerDial } from "../../endpoint-agent/manager-config.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { SshSession } from "./channels.ts";
import { openRelay, RELAY_PROGRAM, type Relay } from "./relay.ts";
import type { LoginSession } from "./session.ts";
import { writeRemote } from "./site/upload.ts";

export type WayBackOptions = {
  /** of the login node, as compute nodes reach it; undefined: the one that its own name leads to */
  address: string | undefined;
  /** undefined: a free one, kept over connections where that can be */
  port: number | undefined;
  /** where the agent listens */
  local: ManagerDial & { kind: "tls" };
  /** runs there: what says whether something listens, or listens itself */
  python: string;
  init: string | undefined;
  /** the endpoint's directory there */
  dir: string;
};

export type OpenWay = {
  host: string;
  port: number;
  /** Resolves when it is shut while the connection lives on. */
  shut: Promise<void>;
};

export type WayBack = {
  /** Makes the login node of a new connection listen. Throws SITE_UNFIT when no node would get through. */
  open(session: LoginSession): Promise<OpenWay>;
};

const CHECK_MS = 60_000;
const NEVER = new Promise<void>(() => {});

/** Of one agent; the port that it was given last is asked for again. */
export function createWayBack(options: WayBackOptions): WayBack {
  const { local } = options;
  let last = options.port ?? 0;
  let host = options.address;
  const onConnection = (stream: Duplex) => joinEnds(stream, connect({ host: local.host, port: local.port }));
  /** The connection that was lost may still hold the port there. */
  const listen = async <T>(at: (port: number) => Promise<T>): Promise<T> => {
    try {
      return await at(last);
    } catch (error) {
      if (last === 0 || options.port !== undefined) throw error;
      return at(0);
    }
  };
  const bySshd = async (session: LoginSession, address: string): Promise<OpenWay> => {
    const port = await listen((port) => session.listen({ address, port }, onConnection));
    await check(session, { ...options, address, port });
    return { host: address, port, shut: NEVER };
  };
  const byRelay = async (session: LoginSession, address: string): Promise<OpenWay> => {
    const file = `${options.dir}/relay.py`;
    await writeRemote(session, file, RELAY_PROGRAM);
    const relay = await listen((port) => openRelay(session, { ...options, address, port, file }, onConnection));
    await hasRoom(session, relay);
    return { host: address, port: relay.port, shut: relay.closed };
  };
  return {
    async open(session) {
      host ??= await addressOf(session, options);
      const address = host;
      const way = await bySshd(session, address).catch(async (first: Error) => {
        if (!unfit(first)) throw first;
        return byRelay(session, address).catch((second: Error) => {
          if (!unfit(second)) throw second;
          throw new ApiError("SITE_UNFIT", `${first.message}. Without sshd: ${second.message}. ${WITHOUT}`);
        });
      });
      last = way.port;
      return way;
    },
  };
}

const WITHOUT =
  "driver.forward.address says which address of the login node its nodes reach; or link.address which of this machine";

function unfit(error: unknown): boolean {
  return error instanceof ApiError && error.code === "SITE_UNFIT";
}

/** sshd says yes and listens on the loopback alone when it may do no more: then no node would ever reach it. */
async function check(
  session: LoginSession,
  { address, port, python, init }: Pick<WayBackOptions, "python" | "init"> & { address: string; port: number },
): Promise<void> {
  const text = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()";
  const { code, stderr } = await runPython(session, { python, init, argv: ["-c", text, address, String(port)] });
  if (code === 0) return;
  const why = stderr.trim().split("\n").at(-1) ?? "";
  throw new ApiError(
    "SITE_UNFIT",
    `${session.name}: sshd does not pass on what comes to ${address}:${port} (${why}): it would need \`GatewayPorts clientspecified\``,
  );
}

/** What the login node's own name leads to, or else the address of its first way out. */
async function addressOf(session: SshSession, { python, init }: Pick<WayBackOptions, "python" | "init">) {
  const { code, stdout, stderr } = await runPython(session, { python, init, argv: ["-c", ADDRESS] });
  const found = stdout.trim().split("\n").at(-1) ?? "";
  if (code === 0 && /^[0-9a-f.:]+$/.test(found)) return found;
  const why = stderr.trim().split("\n").at(-1) ?? "";
  throw new ApiError("SITE_UNFIT", `${session.name}: it does not say which address it has (${why}). ${WITHOUT}`);
}

const ADDRESS = `import socket, sys
def name():
    return [where[4][0] for where in socket.getaddrinfo(socket.gethostname(), 1, socket.AF_INET, socket.SOCK_STREAM)]
def out():
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.connect(("192.0.2.1", 9))
    return [probe.getsockname()[0]]
for ask in (name, out):
    try:
        for address in ask():
            if not address.startswith("127."):
                print(address)
                sys.exit(0)
    except (OSError, IOError):
        pass
print("127.0.0.1")`;

async function runPython(
  session: SshSession,
  { python, init, argv }: { python: string; init: string | undefined; argv: readonly string[] },
) {
  const words = [python, ...argv];
  const whole = init === undefined ? words : ["/bin/sh", "-c", `${init}\nexec "$@"`, "sh", ...words];
  return session.exec(whole, { timeoutMs: CHECK_MS });
}

/** The relay is a session of its own: where sshd allows no second one, no command would ever run again. */
async function hasRoom(session: LoginSession, relay: Relay): Promise<void> {
  try {
    await session.exec(["true"], { timeoutMs: CHECK_MS });
  } catch (cause) {
    relay.close();
    throw new ApiError(
      "SITE_UNFIT",
      `${session.name}: it allows no command beside the one that listens (MaxSessions)`,
      {
        cause,
      },
    );
  }
}

/** Two ends of one connection. */
function joinEnds(a: Duplex, b: Duplex): void {
  a.pipe(b).pipe(a);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on("error", () => other.destroy());
    // What the one said last is still on its way through the other.
    one.on("close", () => (isEnding(other) ? other.once("finish", () => other.destroy()) : other.destroy()));
  }
}

function isEnding({ writableEnded, writableFinished }: Duplex): boolean {
  return writableEnded && !writableFinished;
}
