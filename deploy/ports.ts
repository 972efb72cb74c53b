/** Free ports of the loopback interface. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/**
 * Below the range from which systems draw the ports of outgoing connections (32768 or 49152 and above): a server that comes
 * back after a crash finds its port free, and a client that tries to reach it meanwhile cannot be connected to itself.
 */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const TRIES = 50;

/** The preferred port if nobody has it, else a free one. It may be taken before it is used. */
export async function freePort(preferred = 0): Promise<number> {
  if (preferred !== 0 && (await isFree(preferred))) return preferred;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port was found between ${LOWEST} and ${HIGHEST}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
