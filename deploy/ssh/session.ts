/** A login on a site: commands and files over one connection, through as many hosts as it takes. */
import { randomBytes } from "node:crypto";
import type { Client, ClientChannel, SFTPWrapper } from "ssh2";
import type { CommandOutput } from "../../endpoint-agent/provider/batch/dialect.ts";
import { ApiError } from "../../protocol/errors.ts";
import { connectHop, type HopOptions } from "./hop.ts";
import { createLimit } from "./limit.ts";
import type { Prompter } from "./prompter.ts";
import { type RouteOptions, resolveRoute } from "./route.ts";
import { framed, loginCommand, quoteAll, scriptInput, unframe } from "./shell.ts";
import { loadSsh2 } from "./ssh2.ts";

export type ExecOptions = { stdin?: string | Uint8Array; timeoutMs: number };

export type SshSession = {
  /** `user@host`, for messages */
  readonly name: string;
  /** Runs one program. Resolves however it ends; rejects when the connection does not carry it. */
  exec(argv: readonly string[], options: ExecOptions): Promise<CommandOutput>;
  /** Runs a script of POSIX sh; its standard input is empty. */
  script(text: string, options: { timeoutMs: number }): Promise<CommandOutput>;
  /** Runs one program with a stream as its standard input. */
  feed(
    argv: readonly string[],
    input: AsyncIterable<Uint8Array>,
    options: { timeoutMs: number },
  ): Promise<CommandOutput>;
  /** SFTP, or undefined where the server has none. */
  sftp(): Promise<SFTPWrapper | undefined>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
};

export type SessionOptions = RouteOptions & {
  prompter: Prompter;
  acceptNewHostKey: boolean;
  signal: AbortSignal;
  readyTimeoutMs?: number | undefined;
};

/** sshd gives a connection ten channels (MaxSessions); some are left for others. */
const MOST_CHANNELS = 6;
/** What a command may print; more is cut. */
const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Logs in at `[user@]host[:port]`. Every host's key is verified under its own name. */
export async function openSession(target: string, options: SessionOptions): Promise<SshSession> {
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
  return { ...session, close: closeAll };
}

function createSession(client: Client, name: string): SshSession {
  const limit = createLimit(MOST_CHANNELS);
  let open = true;
  const waiting = new Set<(error: Error) => void>();
  const lost = () => new ApiError("SSH_FAILED", `the connection to ${name} is closed`);
  const closed = new Promise<void>((resolve) => {
    client.once("close", () => {
      open = false;
      // ssh2 does not call back what was under way.
      for (const reject of waiting) reject(lost());
      resolve();
    });
  });
  /** Settles at the end of the connection or of the time, whatever ssh2 does. */
  function settled<T>(
    what: string,
    timeoutMs: number,
    work: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
  ) {
    return new Promise<T>((resolve, reject) => {
      if (!open) return reject(lost());
      let cancel = () => {};
      const timer = setTimeout(() => {
        fail(new ApiError("SSH_FAILED", `${name}: ${what} took more than ${timeoutMs / 1000} s`));
        cancel();
      }, timeoutMs);
      const over = () => {
        clearTimeout(timer);
        waiting.delete(fail);
      };
      const fail = (error: Error) => {
        over();
        reject(error);
      };
      waiting.add(fail);
      cancel = work((value) => {
        over();
        resolve(value);
      }, fail);
    });
  }
  function run(
    command: string,
    mark: string,
    options: { timeoutMs: number; feed: (channel: ClientChannel) => Promise<void> },
  ) {
    return limit(() =>
      settled<CommandOutput>("a command", options.timeoutMs, (resolve, reject) => {
        let channel: ClientChannel | undefined;
        client.exec(command, (error, opened) => {
          if (error)
            return reject(new ApiError("SSH_FAILED", `${name} runs no command: ${error.message}`, { cause: error }));
          channel = opened;
          collect(opened, mark).then(resolve, (cause: Error) =>
            reject(new ApiError("SSH_FAILED", `${name}: ${cause.message}`, { cause })),
          );
          // A program that ends without reading its input is no failure of the connection.
          opened.on("error", () => {});
          options.feed(opened).catch(() => opened.end());
        });
        return () => channel?.destroy();
      }),
    );
  }
  const newMark = () => `farcall-${randomBytes(9).toString("hex")}`;
  return {
    name,
    closed,
    exec(argv, { stdin, timeoutMs }) {
      const mark = newMark();
      const feed = async (channel: ClientChannel) => void channel.end(stdin ?? "");
      return run(loginCommand(framed(quoteAll(argv), mark)), mark, { timeoutMs, feed });
    },
    script(text, { timeoutMs }) {
      const mark = newMark();
      // By standard input: a login shell's limits on a word do not matter then.
      const feed = async (channel: ClientChannel) => void channel.end(scriptInput(text, mark));
      return run("exec /bin/sh", mark, { timeoutMs, feed });
    },
    feed(argv, input, { timeoutMs }) {
      const mark = newMark();
      const feed = async (channel: ClientChannel) => {
        for await (const chunk of input) {
          if (!channel.writable) return;
          if (!channel.write(chunk)) await Promise.race([event(channel, "drain"), event(channel, "close")]);
        }
        channel.end();
      };
      return run(loginCommand(framed(quoteAll(argv), mark)), mark, { timeoutMs, feed });
    },
    sftp() {
      return limit(() =>
        settled<SFTPWrapper | undefined>("SFTP", 30_000, (resolve) => {
          client.sftp((error, sftp) => resolve(error ? undefined : sftp));
          return () => {};
        }),
      );
    },
    close: () => void client.end(),
  };
}

/** The output between the marks, and the exit code: of the inner command, or of the shell that was to run it. */
async function collect(channel: ClientChannel, mark: string): Promise<CommandOutput> {
  const stdout = gather(channel);
  const stderr = gather(channel.stderr);
  let exit: number | null = null;
  channel.once("exit", (code: number | null) => {
    exit = code ?? null;
  });
  await event(channel, "close");
  const out = unframe(stdout(), mark);
  const err = unframe(stderr(), mark);
  if (!out.began) {
    const said = `${out.output}\n${err.output}`.trim().slice(0, 500);
    throw new Error(`its login shell did not run a command${said === "" ? "" : `; it said: ${said}`}`);
  }
  return { code: out.code ?? exit, stdout: out.output, stderr: err.output };
}

function gather(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size < MOST_OUTPUT_BYTES) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

function event(stream: NodeJS.EventEmitter, name: string): Promise<void> {
  return new Promise((resolve) => stream.once(name, () => resolve()));
}
