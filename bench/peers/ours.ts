/** The peers' workloads on Farcall, with a JavaScript or a Python function. */
import type { Farcall, Remote } from "../../sdk/index.ts";
import { percentile, sample } from "../measure/statistics.ts";
import { bag } from "../workloads/noop.ts";
import { transfer } from "../workloads/payload.ts";
import type { PeerResult, Sizes } from "./peer.ts";

/** As in measure.py, for everybody the same. */
const WARM_UP = { bag: 2_000, sequential: 1_000 };

/** The two languages: a function that does nothing, and one that measures its argument. */
export function functionsOf(farcall: Farcall, language: "javascript" | "python") {
  if (language === "python") {
    return {
      noop: farcall.python<() => null>("def noop():\n    return None\n"),
      size: farcall.python<(bytes: Uint8Array) => number>("def size(data):\n    return len(data)\n"),
    };
  }
  return {
    noop: farcall.function(() => null, { name: "noop" }),
    size: farcall.function((bytes: Uint8Array) => bytes.byteLength, { name: "size" }),
  };
}

/** Measures what measure.py measures, in the same order. */
export async function runOurs(
  { noop, size }: { noop: Remote<() => null>; size: Remote<(bytes: Uint8Array) => number> },
  sizes: Sizes,
): Promise<PeerResult> {
  await bag(noop, WARM_UP.bag);
  const times = await sample(() => noop(), { count: sizes.sequential, warmUp: WARM_UP.sequential });
  return {
    tasks_per_s: await bag(noop, sizes.tasks),
    p50_ms: percentile(times, 0.5),
    p99_ms: percentile(times, 0.99),
    payload100k_tasks_per_s: await transfer(size, sizes.payloads, (bytes) => bytes),
  };
}
