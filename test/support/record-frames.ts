/**
 * Records what this version writes: the frames between agent, gateway and managers, a few of each kind, and the journal of an agent that
 * holds results. test/fixtures/releases/record.ts keeps it at a release.
 */
import { readFileSync, renameSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { decodeJournal } from "../../endpoint-agent/journal-codec.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { startCutOffStack } from "./cut-off-stack.ts";
import { type ManagerType, OLDEST_PYTHON } from "./managers.ts";
import { waitFor } from "./wait-for.ts";

/** A frame, and between whom it went: `link manager` is what a manager says to its agent, `nats gateway work` what a gateway hands out. */
export type RecordedFrame = { channel: string; frame: Buffer };
export type Recording = { frames: RecordedFrame[]; journal: Buffer; results: unknown[] };

const MOST_OF_A_KIND = 3;
const SLOW_PYTHON = `def slow(ms, size):
    import time
    print("some output")
    time.sleep(ms / 1000)
    return "x" * size
`;

/** Runs a stack with this kind of manager, and work of every kind in it. */
export async function recordFrames(type: ManagerType): Promise<Recording> {
  const frames: RecordedFrame[] = [];
  const keep = keeper(frames);
  const readers = new Map<string, (bytes: Buffer) => void>();
  const python = type === "python" ? { manager: "python", workers: { python: OLDEST_PYTHON } } : {};
  const { stack, farcall, dir, stop } = await startCutOffStack(
    { ...python, node: { cores: 2 }, policy: { workersPerNode: 2 } },
    (connection, from, bytes) => {
      const key = `${connection} ${from}`;
      const reader = readers.get(key) ?? natsReader(from === "client" ? "agent" : "gateway", keep);
      readers.set(key, reader);
      reader(bytes);
    },
  );
  try {
    const close = listenBetween(join(dir, "run", "agent.sock"), keep);
    const javascript = async (ms: number, size: number) => {
      console.log("some output");
      await new Promise((resolve) => setTimeout(resolve, ms));
      return "x".repeat(size);
    };
    const slow =
      type === "python"
        ? farcall.python<typeof javascript>(SLOW_PYTHON)
        : farcall.function(javascript, { name: "slow" });
    await slow(1, 10);
    await slow.with({ delivery: "at-most-once" })(100, 10);
    await slow(1, 300_000);
    const cancelled = slow.submit(30_000, 1);
    await waitFor(async () => (await farcall.tasks.get(cancelled.id).catch(() => undefined))?.state === "running");
    await cancelled.cancel();
    await Promise.resolve(cancelled).catch(() => {});
    // A heartbeat with work under way.
    await slow(11_000, 1);
    const last = [slow.submit(1_500, 20), slow.submit(1_500, 30)];
    for (const task of last) void Promise.resolve(task).catch(() => {});
    await sleep(1_000);
    await stack.kill("gateway");
    const journal = join(dir, "state", "journal");
    const results = () => {
      const content = decodeJournal(readFileSync(journal));
      return content.kind === "ok"
        ? content.frames.filter(({ header }) => (header as { kind: string }).kind === "result")
        : [];
    };
    await waitFor(() => results().length >= 2, { what: "results in the journal" });
    close();
    const entries = results().map(({ header, body }) => ({
      ...(header as { entry: object }).entry,
      bytes: body.length,
    }));
    return { frames, journal: readFileSync(journal), results: entries };
  } finally {
    await stop();
  }
}

type Keep = (channel: string, frame: Buffer) => void;

/** Keeps a frame, unless there are enough of its kind. */
function keeper(frames: RecordedFrame[]): Keep {
  const kinds = new Map<string, number>();
  return (channel, frame) => {
    let header: { kind?: string };
    try {
      header = decodeFrame(frame).header as typeof header;
    } catch {
      return;
    }
    const kind = `${channel} ${header.kind ?? ""}`;
    const known = kinds.get(kind) ?? 0;
    if (known >= MOST_OF_A_KIND || frame.length > 20_000) return;
    kinds.set(kind, known + 1);
    frames.push({ channel, frame: Buffer.from(frame) });
  };
}

/** NATS' own protocol: a line, and after that of a message its bytes. */
function natsReader(from: string, keep: Keep) {
  let rest = Buffer.alloc(0);
  return (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
      const words = rest.toString("latin1", 0, end).split(/\s+/);
      const message = words[0] === "PUB" || words[0] === "MSG";
      const length = message ? Number(words.at(-1)) + 2 : 0;
      if (rest.length < end + 2 + length) return;
      const subject = (words[1] ?? "")
        .split(".")
        .filter((word) => /^(ep|hello|pull|credit|results|state|ctl|work|reply|log|answer)$/.test(word));
      if (message) keep(`nats ${from} ${subject.join(".")}`, rest.subarray(end + 2, end + length));
      rest = rest.subarray(end + 2 + length);
    }
  };
}

/** Takes the place of the agent's socket and passes everything on. */
function listenBetween(path: string, keep: Keep): () => void {
  renameSync(path, `${path}.real`);
  const http = createServer();
  const server = new WebSocketServer({ noServer: true });
  http.on("upgrade", (request, socket, head) => {
    const headers = { authorization: String(request.headers.authorization) };
    const agent = new WebSocket(`ws+unix://${path}.real:${request.url}`, { headers });
    agent.on("error", () => socket.destroy());
    agent.on("open", () =>
      server.handleUpgrade(request, socket, head, (manager) => {
        manager.on("message", (data) => {
          keep("link manager", data as Buffer);
          agent.send(data);
        });
        agent.on("message", (data) => {
          keep("link agent", data as Buffer);
          manager.send(data);
        });
        manager.on("close", () => agent.close());
        agent.on("close", () => manager.close());
      }),
    );
  });
  http.listen(path);
  return () => http.closeAllConnections();
}
