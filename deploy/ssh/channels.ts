/** Commands and files over one SSH connection. */
import { randomBytes } from "node:crypto";
import type { ClientChannel, SFTPWrapper } from "ssh2";
import type { CommandOutput } from "../../endpoint-agent/provider/batch/dialect.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { Carrier } from "./carrier.ts";
import { createLimit } from "./limit.ts";
import { openChannel } from "./open-channel.ts";
import { begun, collect, event, gather, passOn } from "./output.ts";
import { framed, loginCommand, quoteAll, scriptInput, unframe } from "./shell.ts";

export type ExecOptions = { stdin?: string | Uint8Array; timeoutMs: number };

export type OpenProgram = {
  /** its standard output, without what the login printed before, and its input */
  channel: ClientChannel;
  /** the beginning of what it has said on its standard error */
  said(): string;
};

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
  /** Passes on what a program prints until it ends, or `signal` aborts. */
  follow(argv: readonly string[], onText: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** Starts a program that both sides talk to until it ends, or its channel is destroyed. */
  open(argv: readonly string[]): Promise<OpenProgram>;
  /** SFTP, or undefined where the server has none. */
  sftp(): Promise<SFTPWrapper | undefined>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
};

const OPEN_MS = 30_000;
/** Of a program's standard error. */
const SAID_BYTES = 16_384;
/** sshd gives a connection ten channels (MaxSessions); some are left for others. */
const MOST_CHANNELS = 6;

/** The session of a connection that is logged in. */
export function createSession(client: Carrier, name: string): SshSession {
  const limit = createLimit(MOST_CHANNELS);
  let open = true;
  /** commands that have a channel */
  let running = 0;
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
      try {
        cancel = work((value) => {
          over();
          resolve(value);
        }, fail);
      } catch (error) {
        // ssh2 throws when the connection has just ended.
        fail(error as Error);
      }
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
        let cancelled = false;
        openChannel(client, command, {
          others: () => running,
          onFew: () => limit.lower(running),
          cancelled: () => cancelled,
        }).then(
          (opened) => {
            channel = opened;
            running++;
            opened.once("close", () => running--);
            // A program that ends without reading its input is no failure of the connection.
            opened.on("error", () => {});
            if (cancelled) return opened.destroy();
            collect(opened, mark).then(resolve, (cause: Error) => reject(failure(name, cause)));
            options.feed(opened).catch(() => opened.end());
          },
          (cause: Error) => reject(failure(`${name} runs no command`, cause)),
        );
        return () => {
          cancelled = true;
          channel?.destroy();
        };
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
        const ended = event(channel, "close");
        for await (const chunk of input) {
          if (!channel.writable) return;
          if (!channel.write(chunk)) await Promise.race([event(channel, "drain"), ended]);
        }
        channel.end();
      };
      return run(loginCommand(framed(quoteAll(argv), mark)), mark, { timeoutMs, feed });
    },
    async open(argv) {
      const mark = newMark();
      const command = loginCommand(framed(quoteAll(argv), mark));
      const channel = await settled<ClientChannel>("a command", OPEN_MS, (resolve, reject) => {
        openChannel(client, command, { others: () => 0, onFew() {}, cancelled: () => !open }).then(resolve, (cause) =>
          reject(failure(`${name} runs no command`, cause)),
        );
        return () => {};
      });
      channel.on("error", () => {});
      const said = gather(channel.stderr, SAID_BYTES);
      await settled<void>("the start of a program", OPEN_MS, (resolve, reject) => {
        begun(channel, mark).then(resolve, (cause: Error) => reject(failure(name, cause)));
        return () => channel.destroy();
      });
      return { channel, said: () => unframe(said(), mark).output };
    },
    sftp() {
      return limit(() =>
        settled<SFTPWrapper | undefined>("SFTP", 30_000, (resolve) => {
          client.sftp((error, sftp) => resolve(error ? undefined : sftp));
          return () => {};
        }),
      );
    },
    async follow(argv, onText, signal) {
      const mark = newMark();
      const channel = await settled<ClientChannel>("a command", 30_000, (resolve, reject) => {
        client.exec(loginCommand(framed(quoteAll(argv), mark)), (error, opened) =>
          error ? reject(failure(`${name} runs no command`, error)) : resolve(opened),
        );
        return () => {};
      });
      passOn(channel, mark, onText);
      // sshd closes its side only when the program ends by itself, which one that follows a log may not.
      const over = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      if (!signal.aborted) await Promise.race([event(channel, "close"), closed, over]);
      channel.destroy();
    },
    close: () => void client.end(),
  };
}

function failure(what: string, cause: Error): ApiError {
  return new ApiError("SSH_FAILED", `${what}: ${cause.message}`, { cause });
}
