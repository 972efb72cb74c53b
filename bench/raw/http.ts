/** One HTTP request to a Hono application in another process, on a kept connection. */
import { median, sample } from "../measure/statistics.ts";
import { firstLine, withPeer } from "./peer-process.ts";

/** The median milliseconds of a request with a body of 200 bytes. */
export function rawHttpMs(): Promise<number> {
  return withPeer(["http"], async (peer) => {
    const url = `http://127.0.0.1:${await firstLine(peer)}/`;
    const body = new Uint8Array(200);
    const request = async () => (await fetch(url, { method: "POST", body })).arrayBuffer();
    return median(await sample(request, { count: 1000, warmUp: 200 }));
  });
}
