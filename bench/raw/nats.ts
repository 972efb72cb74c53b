/** One NATS request and its reply, that is two messages, between two processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "nats";
import { freePort } from "../../deploy/ports.ts";
import { median, sample } from "../measure/statistics.ts";
import { firstLine, withPeer } from "./peer-process.ts";

/** The median milliseconds of a request of 200 bytes, over a nats-server of its own without accounts. */
export async function rawNatsRequestMs(natsServer: string): Promise<number> {
  const port = await freePort();
  const server = spawn(natsServer, ["--addr", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  const url = `nats://127.0.0.1:${port}`;
  try {
    // Also waits until the server listens.
    const connection = await connect({ servers: url, waitOnFirstConnect: true, reconnectTimeWait: 50 });
    return await withPeer(["nats", url], async (peer) => {
      await firstLine(peer);
      const message = new Uint8Array(200);
      const request = () => connection.request("raw", message, { timeout: 5_000 });
      const times = await sample(request, { count: 2000, warmUp: 500 });
      await connection.close();
      return median(times);
    });
  } finally {
    server.kill("SIGKILL");
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  }
}
