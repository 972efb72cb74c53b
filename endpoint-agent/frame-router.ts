/** Sends each frame of a manager to the part that it is for. */
import { encodeFrame } from "../protocol/frame.ts";
import type { ManagerToAgent } from "../protocol/manager-frames.ts";
import { subjects } from "../protocol/subjects.ts";
import type { Connection } from "./connection.ts";
import type { Inbound } from "./inbound.ts";
import type { Interchange } from "./interchange.ts";
import type { Log } from "./log.ts";
import type { Manager } from "./manager.ts";
import type { Relay } from "./relay.ts";
import type { Uploads } from "./uploads.ts";

export type FrameRouterParts = {
  endpoint: string;
  inbound: Inbound;
  interchange: Interchange;
  relay: Relay;
  uploads: Uploads;
  connection: Connection;
  log: Log;
  /** it cannot work on its node */
  onBroken(manager: Manager, reason: string): void;
  turn(): void;
};

/** Makes the handler of every frame but `hello` and `beat`. */
export function createFrameRouter(parts: FrameRouterParts) {
  const { endpoint, inbound, interchange, relay, uploads, connection, log, turn } = parts;
  return (manager: Manager, frame: ManagerToAgent, body: Uint8Array): void => {
    const link = manager.link;
    switch (frame.kind) {
      case "results":
        inbound.results(manager, frame, body);
        break;
      case "gave-back":
        interchange.requeue(manager, frame.leases);
        turn();
        break;
      case "need-function":
        if (link) void relay.sendFunction(link, frame.function);
        break;
      case "need-blob":
        if (link) void relay.sendBlob(link, frame.blob, frame.task);
        break;
      case "blob-chunk":
        uploads.chunk(manager, frame, body);
        break;
      case "log": {
        const { kind: _, ...chunk } = frame;
        connection.publish(subjects.log(endpoint, frame.task), encodeFrame(chunk, [body]));
        break;
      }
      case "bye":
        manager.draining = true;
        log.info({ block: manager.hello.block, reason: frame.reason }, "manager says goodbye");
        if (frame.broken) parts.onBroken(manager, frame.reason);
        break;
    }
  };
}
