/** Free ports of the loopback interface. */
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/** The preferred port if nobody listens there, else one that the system gives. It may be taken before it is used. */
export async function freePort(preferred = 0): Promise<number> {
  if (preferred !== 0) {
    const port = await tryPort(preferred).catch(() => undefined);
    if (port !== undefined) return port;
  }
  return tryPort(0);
}

function tryPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      const address = server.address() as { port: number };
      server.close(() => resolve(address.port));
    });
  });
}
