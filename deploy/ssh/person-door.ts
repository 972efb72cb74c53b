/**
 * Where a person logs in for an agent that cannot: a socket beside the agent, over which its questions come to a terminal. One
 * JSON object a line. What is typed goes to the server that asked for it and is not kept.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ApiError } from "../../protocol/errors.ts";
import type { Prompter, Question } from "./prompter.ts";

type FromAgent =
  | { show: string }
  | { ask: Question }
  | { done: string }
  | { failed: { code: string; message: string } };
type FromPerson = { answer: string } | { none: string };

/** Names the socket, behind it why somebody is wanted, and says by being there that somebody is. */
const NOTE = "login";
/** A unix socket's path may have 107 bytes on Linux, 103 on macOS. */
const MAX_SOCKET_PATH = 100;

export type PersonDoor = { close(): void };

/**
 * Opens it in a private directory. `login` is called for each who comes, one at a time, and says how it went; `why` is for those
 * who cannot come.
 */
export async function openPersonDoor(
  dir: string,
  login: (prompter: Prompter) => Promise<string>,
  why = "",
): Promise<PersonDoor> {
  const inDir = join(dir, "login.sock");
  const elsewhere = Buffer.byteLength(inDir) > MAX_SOCKET_PATH ? mkdtempSync(join(tmpdir(), "farcall-")) : undefined;
  const path = elsewhere === undefined ? inDir : join(elsewhere, "login.sock");
  rmSync(path, { force: true });
  let busy = false;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket)));
    const say = (line: FromAgent) => void (socket.writable && socket.write(`${JSON.stringify(line)}\n`));
    if (busy) {
      say({ failed: { code: "CONFLICT", message: "somebody else is just logging in" } });
      socket.end();
      return;
    }
    busy = true;
    login(prompterOver(socket, say))
      .then(
        (done) => say({ done }),
        (error: Error) =>
          say({ failed: { code: error instanceof ApiError ? error.code : "SSH_FAILED", message: error.message } }),
      )
      .finally(() => {
        busy = false;
        socket.end();
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(path, resolve);
  });
  writeFileSync(join(dir, NOTE), `${path}\n${why}`, { mode: 0o600 });
  return {
    close() {
      rmSync(join(dir, NOTE), { force: true });
      server.close();
      if (elsewhere !== undefined) rmSync(elsewhere, { recursive: true, force: true });
    },
  };
}

function prompterOver(socket: Socket, say: (line: FromAgent) => void): Prompter {
  const lines = linesOf<FromPerson>(socket);
  return {
    show: (text) => say({ show: text }),
    async ask(question) {
      say({ ask: question });
      const line = await lines.next();
      if (line === undefined) throw new ApiError("SSH_LOGIN_REFUSED", "the terminal that was asked has gone");
      if ("none" in line) throw new ApiError("SSH_LOGIN_REFUSED", line.none);
      return line.answer;
    },
  };
}

/** Whether the agent of this run directory waits for a person. */
export function wantsPerson(dir: string): boolean {
  return existsSync(join(dir, NOTE));
}

/** Why it does, as its own login ended; empty when it does not say. */
export function whyPersonIsWanted(dir: string): string {
  return noteOf(dir).why;
}

/** Takes away what an agent that was killed has left. */
export function forgetPerson(dir: string): void {
  rmSync(join(dir, NOTE), { force: true });
}

/** Logs in for the agent of a run directory; returns what it says of it. Throws what the login ended with. */
export async function logInFor(
  dir: string,
  { prompter, signal }: { prompter: Prompter; signal: AbortSignal },
): Promise<string> {
  const { path } = noteOf(dir);
  const socket = connect({ path });
  const failed = new Promise<never>((_, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new ApiError("SSH_FAILED", "the agent has ended, or given the login up")));
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  failed.catch(() => {});
  const lines = linesOf<FromAgent>(socket);
  const say = (line: FromPerson) => void (socket.writable && socket.write(`${JSON.stringify(line)}\n`));
  try {
    for (;;) {
      const line = await Promise.race([lines.next(), failed]);
      if (line === undefined) throw new ApiError("SSH_FAILED", "the agent has ended meanwhile");
      if ("done" in line) return line.done;
      if ("failed" in line) throw ApiError.fromJSON(line.failed);
      if ("show" in line) prompter.show(line.show);
      else {
        const said = prompter.ask(line.ask).then(
          (answer): FromPerson => ({ answer }),
          (error: Error): FromPerson => ({ none: error.message }),
        );
        say(await Promise.race([said, failed]));
      }
    }
  } finally {
    socket.destroy();
  }
}

function noteOf(dir: string): { path: string; why: string } {
  const [path = "", ...why] = readFileSync(join(dir, NOTE), "utf8").split("\n");
  return { path, why: why.join("\n") };
}

/** The lines that come, one after the other; undefined at their end. */
function linesOf<T>(socket: Socket): { next(): Promise<T | undefined> } {
  const came: (T | undefined)[] = [];
  const waiting: ((line: T | undefined) => void)[] = [];
  const put = (line: T | undefined) => {
    const next = waiting.shift();
    if (next) next(line);
    else came.push(line);
  };
  const reader = createInterface({ input: socket });
  reader.on("line", (line) => put(JSON.parse(line) as T));
  reader.on("error", () => {}).on("close", () => put(undefined));
  return {
    next: () => (came.length > 0 ? Promise.resolve(came.shift()) : new Promise((resolve) => waiting.push(resolve))),
  };
}
