/** Runs a nats-server on the loopback interface with the configuration of an auth directory (auth.ts). */
import { connect } from "node:net";
import { join } from "node:path";
import { LOOPBACK } from "../ports.ts";
import type { ProcessSpec } from "../process.ts";

export type NatsRun = {
  /** the binary */
  path: string;
  /** holds nats.conf */
  authDir: string;
  port: number;
  logFile: string;
};

/** How the server is started; ready once it greets. Address and port on the command line outrank the configuration's. */
export function natsProcess(options: NatsRun): ProcessSpec {
  const { path, authDir, port, logFile } = options;
  return {
    name: "nats-server",
    file: path,
    args: ["--config", join(authDir, "nats.conf"), "--addr", LOOPBACK, "--port", String(port)],
    cwd: authDir,
    logFile,
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
