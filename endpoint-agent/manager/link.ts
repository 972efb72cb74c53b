/** The manager's end of the link to its agent, over a WebSocket; dials again for ever. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { decodeFrame, encodeFrame, type Frame } from "../../protocol/frame.ts";
import type { AgentToManager, ManagerToAgent } from "../../protocol/manager-frames.ts";
import { MAX_LINK_FRAME_BYTES, type ManagerDial, managerUrl } from "../manager-config.ts";
import { frameProblem } from "./agent-frame-checks.ts";
import { type Carrier, connectTo } from "./carrier.ts";

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 5_000;
const HANDSHAKE_MS = 10_000;

/** What a manager needs of its agent, whatever carries the frames. */
export type ManagerLink = {
  send(frame: ManagerToAgent, chunks?: readonly Uint8Array[]): void;
  /** As `send`, for a frame that is encoded already. Dropped while there is no connection. */
  sendBytes(frame: Uint8Array): void;
  /** Bytes that the connection has not taken yet. */
  backlog(): number;
  /** Gives this connection up, because it does not answer, and dials again. */
  reconnect(): void;
  /** Resolves when all that was sent is on its way. */
  close(): Promise<void>;
};

export type LinkEvents = {
  /** The agent does not know this block, or not this secret of it. */
  onRefused(): void;
  onOpen(): void;
  onFrame(frame: AgentToManager, body: Uint8Array): void;
  onClose(reason: string): void;
};

/** Dials until `close`, each time where `whereTo` says; `authorization` is the header that says who dials. */
export function dialAgent(whereTo: () => ManagerDial, authorization: string, events: LinkEvents): ManagerLink {
  let carrier: Carrier | undefined;
  let socket: WebSocket | undefined;
  let closed = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;

  const redial = (reason: string) => {
    events.onClose(reason);
    if (closed) return;
    const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** failures++);
    timer = setTimeout(start, backoff * (0.5 + Math.random() / 2));
  };
  const start = () => {
    const dial = whereTo();
    carrier = connectTo(dial, HANDSHAKE_MS, {
      onReady: (stream) => open(dial, stream),
      onFailed: (error) => closed || redial(error.message),
    });
  };
  const open = (dial: ManagerDial, stream: Duplex | undefined) => {
    if (closed) return stream?.destroy();
    const current = new WebSocket(managerUrl(dial), {
      headers: { authorization },
      perMessageDeflate: false,
      maxPayload: MAX_LINK_FRAME_BYTES,
      handshakeTimeout: HANDSHAKE_MS,
      // Masking defends proxies against scripts in browsers; on this link it would only cost a copy of every payload.
      generateMask: (mask) => mask.fill(0),
      ...(stream && { createConnection: () => stream as Socket }),
    });
    socket = current;
    let reason = "closed";
    current.on("open", () => {
      failures = 0;
      events.onOpen();
    });
    current.on("message", (data: Buffer) => {
      if (socket !== current) return;
      const frame = readable(data);
      if (typeof frame === "string") {
        reason = `the agent sent ${frame}`;
        current.terminate();
      } else events.onFrame(frame.header as AgentToManager, frame.body);
    });
    current.on("unexpected-response", (_request, response) => {
      reason = `the agent answered ${response.statusCode}`;
      // From anybody but the agent this cannot come: its certificate, or its directory, was checked.
      if (response.statusCode === 401) events.onRefused();
      current.terminate();
    });
    current.on("error", (error) => {
      if (reason === "closed") reason = error.message;
    });
    current.on("close", () => {
      if (socket !== current) return;
      socket = undefined;
      redial(reason);
    });
  };
  start();

  const sendBytes = (frame: Uint8Array) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(frame);
  };
  return {
    send: (frame, chunks) => sendBytes(encodeFrame(frame, chunks)),
    sendBytes,
    backlog: () => socket?.bufferedAmount ?? 0,
    reconnect: () => socket?.terminate(),
    close() {
      closed = true;
      clearTimeout(timer);
      carrier?.abandon();
      const last = socket;
      if (!last || last.readyState === WebSocket.CLOSED) return Promise.resolve();
      return new Promise((resolve) => {
        last.once("close", () => resolve());
        last.close();
        setTimeout(() => last.terminate(), 1000).unref();
      });
    },
  };
}

/** The frame, or what is wrong with it. */
function readable(data: Uint8Array): Frame | string {
  try {
    const frame = decodeFrame(data);
    return frameProblem(frame.header, frame.body) ?? frame;
  } catch (error) {
    return `something else: ${(error as Error).message}`;
  }
}
