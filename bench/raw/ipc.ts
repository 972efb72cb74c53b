/** One round trip to another process through its standard input and output. */
import { once } from "node:events";
import { median, sample } from "../measure/statistics.ts";
import { withPeer } from "./peer-process.ts";

/** The median milliseconds of a round trip of 200 bytes. */
export function rawIpcMs(): Promise<number> {
  return withPeer(["echo"], async ({ stdin, stdout }) => {
    if (!stdin || !stdout) throw new Error("the peer has no pipes");
    const message = new Uint8Array(200);
    const roundTrip = async () => {
      stdin.write(message);
      await once(stdout, "data");
    };
    return median(await sample(roundTrip, { count: 2000, warmUp: 200 }));
  });
}
