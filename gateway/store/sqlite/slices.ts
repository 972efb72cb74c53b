/** Calls that end many tasks run slice by slice, each slice one transaction, so that a million of them stop nobody else's commit. */
import type { Effects } from "../port.ts";
import type { SliceCursor } from "./writer/selection.ts";

type Slice = Effects & { next: SliceCursor | null };

/**
 * Repeats `call` until it says that nothing is left. With `onSlice` the effects are handed over as they are committed, and
 * the sum stays empty of them; without it they add up.
 */
export async function inSlices<S extends Slice>(
  call: (from: SliceCursor | null) => Promise<S>,
  { add, onSlice }: { add?: (slice: S) => void; onSlice?: ((effects: Effects) => void) | undefined } = {},
): Promise<Effects> {
  const sum: Effects = { events: [], kills: [], queued: [] };
  let from: SliceCursor | null = null;
  do {
    const slice: S = await call(from);
    const { events, kills, queued } = slice;
    if (onSlice) onSlice({ events, kills, queued });
    else {
      for (const event of events) sum.events.push(event);
      for (const kill of kills) sum.kills.push(kill);
      sum.queued = [...new Set([...sum.queued, ...queued])];
    }
    add?.(slice);
    from = slice.next;
  } while (from !== null);
  return sum;
}
