/** `ProxyCommand`: a program whose input and output are the connection to a host, as OpenSSH runs it. */
import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import type { SshHost } from "./host.ts";
import { harmless, type Prompter } from "./prompter.ts";
import { expandTokens } from "./tokens.ts";

export type ProxyStream = {
  stream: Duplex;
  /** how it ended and what it said last, for the message when the connection did not come about; undefined: it has not */
  why(): string | undefined;
};

const MOST_SAID = 500;
/** One that does not end with the connection is ended. */
const END_MS = 2_000;

/** What the user's shell is given. A name that the shell would take for more than a name is refused. */
export function proxyCommandLine(host: SshHost): string {
  const { alias, host: name, port, user, hostKeyAlias } = host;
  const tokens = { h: name, n: alias, p: String(port), r: user, k: hostKeyAlias ?? alias };
  for (const [letter, value] of Object.entries(tokens)) {
    if (/^-|[`'"$\\;&<>|(){}\s\u0000-\u001f\u007f]/.test(value) && host.proxyCommand?.includes(`%${letter}`)) {
      throw new ApiError(
        "CONFIG_INVALID",
        `the ProxyCommand of ${JSON.stringify(alias)} would hand ${JSON.stringify(value)} to a shell`,
      );
    }
  }
  return expandTokens(`exec ${host.proxyCommand}`, tokens, "ProxyCommand");
}

/** Starts it. It ends with the stream; what it says on its standard error is shown as it says it. */
export function openProxy(
  host: SshHost,
  { env, prompter, signal }: { env: Environment; prompter: Prompter; signal: AbortSignal },
): ProxyStream {
  signal.throwIfAborted();
  const shell = env.SHELL || "/bin/sh";
  // Its own prompts, as those of an inner ssh, go to the terminal that it shares with this program.
  const child = spawn(shell, ["-c", proxyCommandLine(host)], { env, stdio: ["pipe", "pipe", "pipe"] });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  stream.on("error", () => {});
  let said = "";
  let ended = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-MOST_SAID);
    if (text.trim() !== "") prompter.show(harmless(text).trimEnd());
  });
  child.once("error", (error) => {
    ended = error.message;
    stream.destroy();
  });
  child.once("exit", (code, by) => {
    ended = by ? `ended by ${by}` : `ended with ${code}`;
  });
  const isOver = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  const end = () => {
    if (isOver()) return void stream.destroy();
    // As ssh ends it; for one that takes no notice there is a stronger word.
    child.kill("SIGHUP");
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      stream.destroy();
    }, END_MS);
    child.once("close", () => {
      clearTimeout(timer);
      stream.destroy();
    });
  };
  stream.once("finish", end).once("close", end);
  return {
    stream,
    why() {
      const words = harmless(said)
        .trim()
        .replace(/\s*\n\s*/g, "; ");
      return ended === "" ? undefined : `its ProxyCommand ${ended}${words === "" ? "" : `: ${words}`}`;
    },
  };
}
