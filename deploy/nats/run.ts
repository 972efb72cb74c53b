/** Runs a nats-server on the loopback interface with the configuration of an auth directory (auth.ts). */
import { connect } from "node:net";
import { join } from "node:path";
import type { Environment } from "../directories.ts";
import { LOOPBACK } from "../ports.ts";
import type { ProcessSpec } from "../process.ts";

export type NatsRun = {
  /** the binary */
  path: string;
  /** holds nats.conf */
  authDir: string;
  port: number;
  logFile: string;
  env: Environment;
};

/** How the server is started; ready once it greets. Address and port on the command line outrank the configuration's. */
export function natsProcess(options: NatsRun): ProcessSpec {
  const { path, authDir, port, logFile, env } = options;
  return {
    name: "nats-server",
    file: path,
    args: ["--config", join(authDir, "nats.conf"), "--addr", LOOPBACK, "--port", String(port)],
    cwd: authDir,
    logFile,
    // With more, Go's scheduler looks for work on the other processors at each message: 80 us of processor time for every
    // call, where one processor passes on 300,000 messages a second (docs/adr/0012-latency-of-one-call.md).
    env: { GOMAXPROCS: "1", ...env },
    ready: async () => ({ url: natsUrl(port), version: (await greeting(port)).version }),
    readyTimeoutMs: 10_000,
  };
}

/** The URL of a local server. */
export function natsUrl(port: number): string {
  return `nats://${LOOPBACK}:${port}`;
}

/** Connects and reads the INFO line with which every server greets. Throws when nothing, or something else, answers. */
export function greeting(port: number, timeoutMs = 2_000): Promise<{ version: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: LOOPBACK, port, timeout: timeoutMs });
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("utf8");
      const info = /^INFO (\{.*\})\s*\r?\n/.exec(text)?.[1];
      if (info === undefined && text.length < 65_536) return;
      socket.destroy();
      try {
        resolve(JSON.parse(info ?? "") as { version: string });
      } catch {
        reject(new Error(`what listens on port ${port} does not speak NATS`));
      }
    });
    socket.on("timeout", () => socket.destroy(new Error(`port ${port} does not greet`)));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`port ${port} closed the connection`)));
  });
}
