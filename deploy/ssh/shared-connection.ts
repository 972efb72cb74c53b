/**
 * The connection to a host that the user's `ssh` keeps open and shares (ControlMaster): where a login is a one-time password, one
 * that was typed for `ssh` is enough. `ssh` carries the channels; nothing is authenticated here, and no host's key is judged anew.
 */
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, PassThrough } from "node:stream";
import type { ClientChannel } from "ssh2";
import { ApiError } from "../../protocol/errors.ts";
import { findOnPath, run } from "../command.ts";
import type { Environment } from "../directories.ts";
import type { Carrier, Connection } from "./carrier.ts";
import type { SshHost } from "./host.ts";

const ASK_MS = 15_000;
/** What ssh says when its master was refused another session; then the command was not started. */
const REFUSED = /session request failed|Session open refused/i;
const KEPT_BYTES = 2_000;

/** The one to a host, if there is one and it is alive. */
export async function findShared(host: SshHost, env: Environment): Promise<Connection | undefined> {
  const path = host.controlPath;
  if (path === undefined || path.includes("%") || !isOwnSocket(path)) return undefined;
  const ssh = await findOnPath("ssh", env);
  if (!ssh) return undefined;
  // Without the configuration, whose forwards and commands were for the person; and never over a connection of its own.
  const words = ["-F", "none", "-S", path, "-T", "-o", "BatchMode=yes", "-o", "ProxyCommand=false", ...variables(host)];
  const ask = (...operation: string[]) =>
    run(ssh, [...words, ...operation, "--", host.alias], { timeoutMs: ASK_MS, env });
  try {
    await ask("-O", "check");
  } catch {
    // A socket that its master has left behind.
    return undefined;
  }
  return openShared({ path, ask, start: (command) => spawn(ssh, [...words, "--", host.alias, command], { env }) });
}

/** One that somebody else has put there, as in /tmp, would lead to them. */
export function isOwnSocket(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isSocket() === true && stat.uid === process.getuid?.();
}

function variables({ setEnv }: SshHost): string[] {
  const words = Object.entries(setEnv).map(([name, value]) => `"${name}=${value.replace(/(["\\])/g, "\\$1")}"`);
  return words.length === 0 ? [] : ["-o", `SetEnv=${words.join(" ")}`];
}

type Master = { path: string; ask(...operation: string[]): Promise<string>; start(command: string): SshProcess };
type SshProcess = ReturnType<typeof spawn> & { stdin: NodeJS.WritableStream; stdout: Duplex; stderr: Duplex };

function openShared(master: { path: string; ask: Master["ask"]; start(command: string): unknown }): Connection {
  const events = new EventEmitter();
  events.setMaxListeners(0);
  const channels = new Set<Duplex>();
  const ends: (() => void)[] = [];
  // The master says nothing on it, and hangs up when it ends.
  const watch = connect(master.path);
  watch.on("error", () => {}).resume();
  watch.once("close", () => {
    for (const channel of channels) channel.destroy();
    for (const end of ends.splice(0)) end();
    events.emit("close");
  });
  const carrier: Carrier = {
    once: (name, listener) => void events.once(name, listener),
    exec(command, callback) {
      // One that says at once that it runs: nobody else tells whether the session was opened. It is before what counts.
      const child = master.start(`echo; ${command}`) as SshProcess;
      whenStarted(child, (error, channel) => {
        if (channel) channels.add(channel.once("close", () => channels.delete(channel)));
        callback(error, channel as unknown as ClientChannel);
      });
    },
    // Files go through `cat`.
    sftp: (callback) => callback(new Error("no SFTP over a shared connection"), undefined as never),
    end: () => void watch.destroy(),
  };
  return {
    carrier,
    async listen({ address, port }, onConnection) {
      // Of this user alone: whoever reaches it would be taken for a manager of the site.
      const dir = mkdtempSync(join(tmpdir(), "farcall-"));
      const socket = join(dir, "back.sock");
      const server = createServer(onConnection);
      await new Promise<void>((resolve, reject) => void server.once("error", reject).listen(socket, resolve));
      const close = () => {
        server.close();
        rmSync(dir, { recursive: true, force: true });
      };
      const rule = (at: number) => ["-R", `${address.includes(":") ? `[${address}]` : address}:${at}:${socket}`];
      try {
        const said = await master.ask("-O", "forward", ...rule(port));
        const bound = port === 0 ? Number(/\d+/.exec(said)?.[0]) : port;
        ends.push(close, () => void master.ask("-O", "cancel", ...rule(bound)).catch(() => {}));
        return bound;
      } catch (cause) {
        close();
        throw new ApiError("SITE_UNFIT", `the shared connection forwards no port: ${(cause as Error).message}`, {
          cause,
        });
      }
    },
  };
}

/** Calls back when the command has begun to print, or has ended without. */
function whenStarted(child: SshProcess, callback: (error: Error | undefined, channel?: Duplex) => void): void {
  let said = "";
  const stderr = new PassThrough();
  child.stderr.on("data", (chunk: Buffer) => {
    if (said.length < KEPT_BYTES) said += chunk.toString("utf8");
    stderr.write(chunk);
  });
  child.stderr.once("end", () => stderr.end());
  child.stdin.on("error", () => {});
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    callback(undefined, channelOf(child, stderr));
    stderr.resume();
  };
  child.stdout.once("readable", () => child.stdout.readableLength > 0 && begin());
  child.once("error", (error) => begun || callback(error));
  child.once("close", () => {
    if (begun) return;
    begun = true;
    const refused = REFUSED.test(said) ? "Channel open failure: " : "";
    callback(new Error(`${refused}${said.trim().split("\n")[0] || "ssh ended"}`));
  });
}

/** A command's process as the channel that ssh2 would give. */
function channelOf(child: SshProcess, stderr: PassThrough): Duplex {
  const channel = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk, _encoding, done) => void child.stdin.write(chunk, () => done()),
    final: (done) => void child.stdin.end(() => done()),
    destroy(error, done) {
      child.kill("SIGKILL");
      done(error);
    },
  });
  child.stdout.on("data", (chunk: Buffer) => channel.push(chunk) || child.stdout.pause());
  child.stdout.once("end", () => channel.push(null));
  child.once("close", (code) => {
    channel.emit("exit", code);
    // Not before what it printed was read.
    if (channel.readableEnded) channel.destroy();
    else channel.once("end", () => channel.destroy());
  });
  return Object.assign(channel, { stderr });
}
