/** `driver: { type: ssh }`: an agent that runs elsewhere drives a site through a connection to its login node. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import type { OpenDriver } from "../../endpoint-agent/driver.ts";
import type { ManagerDial } from "../../endpoint-agent/manager-config.ts";
import { ApiError } from "../../protocol/errors.ts";
import { keepSession } from "./keep-session.ts";
import type { Prompter } from "./prompter.ts";
import { sshRunCommand } from "./run-command.ts";
import { type LoginSession, openSession } from "./session.ts";

const COMMAND_MS = 60_000;
const TAIL_BYTES = 8_192;
/** Of blocks that `pull` asks about at once. */
const MOST_BLOCKS = 200;
/** Logs of managers that are kept there, the newest. */
const KEPT_LOGS = 50;
const MOST_FILE_BYTES = 16 * 1024 * 1024;
const tar = promisify(execFile);

/** Opens it; nobody is there to be asked for a password, so a key or an agent must do. */
export const openSshDriver: OpenDriver = async ({ config, settings, layout, endpoint, env, log, signal }) => {
  /** Where the login node listens for managers, once it was asked to. */
  let door: { local: ManagerDial & { kind: "tls" }; port: number } | undefined;
  const listen = async (session: LoginSession) => {
    if (!door || !config.forward) return;
    const { local } = door;
    const { address } = config.forward;
    const onConnection = (stream: Duplex) => joinEnds(stream, connect({ host: local.host, port: local.port }));
    door.port = await session.listen({ address, port: door.port }, onConnection);
    await checkDoor(session, {
      address,
      port: door.port,
      python: settings.workers.python,
      init: settings.workers.init,
    });
  };
  const kept = await keepSession({
    open: () =>
      openSession(config.host, {
        env,
        configFile: config.configFile,
        jump: config.via,
        prompter: NOBODY,
        acceptNewHostKey: false,
        signal,
      }),
    onOpen: listen,
    onLost: (err) => log.warn({ err }, "no connection to the site; trying on"),
    signal,
  });
  const script = async (text: string) => {
    const session = await kept.current();
    const output = await session.script(text, { timeoutMs: COMMAND_MS });
    if (output.code !== 0)
      throw new ApiError("SSH_FAILED", `${session.name}: ${output.stderr.trim() || "a command failed"}`);
    return output.stdout;
  };
  const base = config.dir === undefined ? `"$HOME"/.farcall/driven/${endpoint}` : `${config.dir}/${endpoint}`;
  const made = await script(
    `umask 077; mkdir -p ${base}/blocks ${base}/logs ${base}/cache && cd ${base} && pwd -P && id -un`,
  );
  const [dir, user] = made.trim().split("\n") as [string, string];
  log.info({ site: config.host, dir, user }, "the site is driven over SSH");
  const places = { dir: join(dir, "blocks"), logDir: join(dir, "logs"), cacheDir: join(dir, "cache") };

  return {
    user,
    places,
    run: sshRunCommand(kept.current),
    async push(block) {
      if (!existsSync(join(layout.blocks, block))) return;
      // The end of its script is for the site to say.
      const args = ["-C", layout.blocks, "--exclude", `${block}/exit`, "-cf", "-", block];
      const { stdout } = await tar("tar", args, { encoding: "buffer", maxBuffer: MOST_FILE_BYTES });
      const session = await kept.current();
      const command = ["tar", "-C", places.dir, "-xpf", "-"];
      const output = await session.feed(command, once(stdout), { timeoutMs: COMMAND_MS });
      if (output.code !== 0)
        throw new ApiError("SSH_FAILED", `${session.name}: its files cannot be written: ${output.stderr.trim()}`);
    },
    async pull(blocks) {
      for (let at = 0; at < blocks.length; at += MOST_BLOCKS) {
        const said = await script(
          blocks
            .slice(at, at + MOST_BLOCKS)
            .map((block) => readBlock(block, places))
            .join("\n"),
        );
        for (const { block, exit, words } of parseBlocks(said)) {
          mkdirSync(join(layout.blocks, block), { recursive: true, mode: 0o700 });
          if (exit !== "") writeFileSync(join(layout.blocks, block, "exit"), exit, { mode: 0o600 });
          if (words !== "") writeFileSync(join(layout.blockLogs, `${block}-0.log`), words, { mode: 0o600 });
        }
      }
    },
    async remove(block) {
      // Ids of blocks are in the order of time, and so are the names of their logs.
      await script(
        `rm -rf ${places.dir}/${block}; cd ${places.logDir} && ls | sort | head -n -${KEPT_LOGS} | xargs -r rm -f`,
      );
    },
    async door(dial) {
      if (!config.forward || dial.kind !== "tls") return dial;
      door = { local: dial, port: config.forward.port ?? 0 };
      await listen(await kept.current());
      return { ...dial, host: config.forward.address, port: door.port };
    },
  };
};

/** Says what one block has written: its exit file, then the end of its log. */
function readBlock(block: string, { dir, logDir }: { dir: string; logDir: string }): string {
  return `printf '\\n== ${block}\\n'; cat ${dir}/${block}/exit 2>/dev/null; printf '\\n-- \\n'; tail -c ${TAIL_BYTES} ${logDir}/${block}-0.log 2>/dev/null; :`;
}

/** Reads what `readBlock` has made the site say. */
export function parseBlocks(text: string): { block: string; exit: string; words: string }[] {
  return text
    .split(/^(?=== [0-9a-f-]{36}\n)/m)
    .filter((part) => part.startsWith("== "))
    .map((part) => {
      const from = part.indexOf("\n") + 1;
      const middle = part.indexOf("\n-- \n", from - 1);
      const exit = middle < from ? "" : part.slice(from, middle);
      return { block: part.slice(3, from - 1), exit, words: middle < 0 ? "" : part.slice(middle + 5) };
    });
}

/** sshd says yes and listens on the loopback alone when it may do no more: then no node would ever reach it. */
async function checkDoor(
  session: LoginSession,
  { address, port, python, init }: { address: string; port: number; python: string; init: string | undefined },
): Promise<void> {
  const text = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()";
  const words = [python, "-c", text, address, String(port)];
  const argv = init === undefined ? words : ["/bin/sh", "-c", `${init}\nexec "$@"`, "sh", ...words];
  const { code, stderr } = await session.exec(argv, { timeoutMs: COMMAND_MS });
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

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const NOBODY: Prompter = {
  ask: () => Promise.reject(new Error("an agent has nobody to ask: let a key or an SSH agent log in")),
  show() {},
};
