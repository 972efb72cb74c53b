/** Ages are shown by the gateway's clock, which set the times. */
import type { Farcall } from "../sdk/index.ts";

/** What time it is at the gateway, in Unix milliseconds. */
export async function gatewayNow(farcall: Farcall): Promise<number> {
  return (await farcall.call("me")).now;
}
