/** Calls that carry 100 KB of bytes to the worker, and calls that carry them back as well. */
import type { Remote } from "../../sdk/index.ts";
import { peakMemory } from "../measure/memory.ts";
import { timeMs } from "../measure/statistics.ts";
import type { Workload } from "../workload.ts";

export const PAYLOAD_BYTES = 100 * 1024;
/** held by the client at a time: bounds its memory, and is far more than the workers hold */
const IN_FLIGHT = 256;

export const payload: Workload = {
  name: "payload",
  about: "5,000 calls with 100 KB of bytes each, no two the same; and as many that send them back",
  run: ({ withFarcall, quick }) =>
    withFarcall(async ({ farcall, stack }) => {
      const size = farcall.function((bytes: Uint8Array) => bytes.byteLength, { name: "size" });
      const echo = farcall.function((bytes: Uint8Array) => bytes, { name: "echo" });
      const count = quick ? 500 : 5_000;
      await transfer(size, 100, (bytes) => bytes);
      return {
        payload100k_tasks_per_s: await transfer(size, count, (bytes) => bytes),
        payload100k_echo_tasks_per_s: await transfer(echo, count, (bytes) => bytes.byteLength),
        ...peakMemory(stack, "payload100k_"),
      };
    }),
};

/** Tasks per second of `count` calls with a payload each; `sizeOf` reads the size back from a result. */
export async function transfer<R>(
  remote: Remote<(bytes: Uint8Array) => R>,
  count: number,
  sizeOf: (result: Awaited<R>) => number,
): Promise<number> {
  const ms = await timeMs(async () => {
    for await (const result of remote.map(payloads(count), { inFlight: IN_FLIGHT })) {
      if (result.error !== undefined) throw result.error;
      if (sizeOf(result.value as Awaited<R>) !== PAYLOAD_BYTES) throw new Error(`call ${result.index} lost bytes`);
    }
  });
  return (count / ms) * 1000;
}

function* payloads(count: number): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(PAYLOAD_BYTES);
    new DataView(bytes.buffer).setUint32(0, i);
    yield bytes;
  }
}
