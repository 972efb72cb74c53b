/** Connections to a login node whose sshd forwards none: a small program in the session listens there and passes them on. */
import { readFileSync } from "node:fs";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../protocol/errors.ts";
import type { OpenProgram, SshSession } from "./channels.ts";
import { event } from "./output.ts";

export type RelayOptions = {
  /** of the login node, as compute nodes reach it */
  address: string;
  /** 0: any */
  port: number;
  /** where the program is at the site */
  file: string;
  python: string;
  init: string | undefined;
};

export type Relay = {
  port: number;
  /** Resolves when nothing is passed on any more. */
  closed: Promise<void>;
  close(): void;
};

/** What runs there. */
export const RELAY_PROGRAM = readFileSync(new URL("./relay.py", import.meta.url), "utf8");

const HEAD_BYTES = 9;
/** Of one connection, each way. As in relay.py. */
const WINDOW = 1 << 20;
/** It ends itself when it has heard nothing for four times as long. */
const BEAT_MS = 15_000;
const START_MS = 60_000;
/** A name that is not there is no reason to give up: the program runs on any. */
const ANY_PYTHON = `for python in "$1" python3 python python2; do
  command -v "$python" >/dev/null 2>&1 && { shift; exec "$python" "$@"; }
done
echo "no Python: $1" >&2; exit 127`;

/** Starts it. Throws SITE_UNFIT with what it says when it cannot listen. */
export async function openRelay(
  session: Pick<SshSession, "name" | "open">,
  { address, port, file, python, init }: RelayOptions,
  onConnection: (stream: Duplex) => void,
): Promise<Relay> {
  const text = init === undefined ? ANY_PYTHON : `${withInit(init)}\n${ANY_PYTHON}`;
  const program = await session.open(["/bin/sh", "-c", text, "sh", python, file, address, String(port)]);
  const { channel } = program;
  const connections = new Map<number, Piece>();
  const ending = new AbortController();
  let listening = (_: number) => {};
  const bound = new Promise<number>((resolve) => {
    listening = resolve;
  });
  const send = (what: string, number: number, body: Uint8Array = NOTHING) => {
    if (!channel.writable) return;
    const head = Buffer.alloc(HEAD_BYTES);
    head.write(what, 0, "latin1");
    head.writeUInt32BE(number, 1);
    head.writeUInt32BE(body.length, 5);
    channel.write(head);
    if (body.length > 0) channel.write(body);
  };
  const hear = (what: string, number: number, body: Buffer) => {
    if (what === "L") return listening(number);
    if (what === "O") {
      const piece = createPiece({
        send: (kind, data) => send(kind, number, data),
        full: () => channel.writableNeedDrain,
        onEnd: () => connections.delete(number),
      });
      connections.set(number, piece);
      return onConnection(piece.stream);
    }
    const piece = connections.get(number);
    if (what === "D") piece?.came(body);
    else if (what === "W") piece?.taken(body.readUInt32BE(0));
    else if (what === "X") piece?.ended();
  };
  const closed = event(channel, "close").then(() => {
    ending.abort();
    for (const piece of [...connections.values()]) piece.ended();
  });
  channel.on("data", reader(hear)).resume();
  channel.on("drain", () => {
    for (const piece of connections.values()) piece.taken(0);
  });
  void beat(() => send("P", 0), ending.signal);
  const close = () => channel.destroy();
  const late = sleep(START_MS, undefined, { signal: ending.signal }).catch(() => {});
  const there = await Promise.race([bound, closed, late]);
  if (typeof there === "number") return { port: there, closed, close };
  close();
  throw new ApiError("SITE_UNFIT", `${session.name}: nothing listens there for managers: ${whyNot(program)}`);
}

/** What `module load` says must not be taken for the program's words; that it ended the shell is said. */
function withInit(init: string): string {
  return `exec 3>&2; trap 'echo "workers.init ended with $?" >&3' EXIT
{ ${init}\n} >/dev/null 2>&1 </dev/null
trap - EXIT; exec 3>&-`;
}

function whyNot({ said }: OpenProgram): string {
  return said().trim().split("\n").at(-1)?.slice(0, 300) || "it does not say why";
}

async function beat(say: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    say();
    await sleep(BEAT_MS, undefined, { signal }).catch(() => {});
  }
}

const NOTHING = new Uint8Array(0);

/** Cuts a stream into messages. */
function reader(hear: (what: string, number: number, body: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + rest.readUInt32BE(5);
      if (rest.length < end) return;
      hear(rest.toString("latin1", 0, 1), rest.readUInt32BE(1), rest.subarray(HEAD_BYTES, end));
      rest = rest.subarray(end);
    }
  };
}

type Piece = { stream: Duplex; came(body: Buffer): void; taken(bytes: number): void; ended(): void };

/** One connection: what its other end has not taken yet is never more than the window. */
function createPiece(way: { send(what: string, data?: Uint8Array): void; full(): boolean; onEnd(): void }): Piece {
  let credit = WINDOW;
  let waiting: Buffer = Buffer.alloc(0);
  let written: (() => void) | undefined;
  let owed = 0;
  let over = false;
  const acknowledge = () => {
    if (owed === 0 || over) return;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(owed);
    owed = 0;
    way.send("W", bytes);
  };
  const flush = () => {
    if (over) waiting = Buffer.alloc(0);
    while (waiting.length > 0 && credit > 0 && !way.full()) {
      const piece = waiting.subarray(0, Math.min(credit, 1 << 16));
      waiting = waiting.subarray(piece.length);
      credit -= piece.length;
      way.send("D", piece);
    }
    if (waiting.length > 0) return;
    const done = written;
    written = undefined;
    done?.();
  };
  const end = () => {
    if (over) return false;
    over = true;
    way.onEnd();
    return true;
  };
  const stream = new Duplex({
    read: acknowledge,
    write(chunk: Buffer, _encoding, done) {
      waiting = chunk;
      written = done;
      flush();
    },
    destroy(error, done) {
      if (end()) way.send("X");
      done(error);
    },
  });
  return {
    stream,
    came(body) {
      owed += body.length;
      if (stream.push(body)) acknowledge();
    },
    taken(bytes) {
      credit += bytes;
      flush();
    },
    ended() {
      if (!end()) return;
      // Nothing goes there any more; what has come from there is still read.
      stream.once("end", () => stream.destroy()).push(null);
      flush();
    },
  };
}
