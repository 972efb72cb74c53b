/** What a WebSocket to the agent runs over. With TLS nothing is said before the agent's certificate has been compared. */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { ManagerDial } from "../manager-config.ts";

export type CarrierEvents = {
  /** `stream` is undefined where the WebSocket connects by itself. */
  onReady(stream: Duplex | undefined): void;
  /** Called at most once, and not after `onReady`. */
  onFailed(error: Error): void;
};

export type Carrier = {
  /** Gives it up while it is not ready. */
  abandon(): void;
};

/** Connects. */
export function connectTo(dial: ManagerDial, handshakeMs: number, events: CarrierEvents): Carrier {
  if (dial.kind === "unix") {
    events.onReady(undefined);
    return { abandon() {} };
  }
  const { host, port, fingerprint } = dial;
  const socket = connect({
    host,
    port,
    // The certificate is its own authority, and machines inside a cluster have many names: its fingerprint decides.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: "TLSv1.2",
  });
  let settled = false;
  const settle = (act: () => void) => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    act();
  };
  const fail = (error: Error) => {
    settle(() => events.onFailed(error));
    socket.destroy();
  };
  const timer = setTimeout(() => fail(new Error("no TLS handshake in time")), handshakeMs);
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the connection was closed")));
  socket.once("secureConnect", () => {
    const { raw } = socket.getPeerCertificate();
    const shown = raw && createHash("sha256").update(raw).digest("hex");
    if (shown !== fingerprint) fail(new Error(`${host}:${port} shows another certificate than the agent's`));
    else {
      socket.setKeepAlive(true, 30_000);
      settle(() => events.onReady(socket));
    }
  });
  return {
    abandon() {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.destroy();
    },
  };
}
