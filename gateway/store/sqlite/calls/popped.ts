/** Builds hand-outs from the columns of what was leased out of the queue. */
import type { LeaseEntry } from "../../../../protocol/batch.ts";
import type { CallSpec } from "../../../../protocol/task.ts";
import type { Handout } from "../../port.ts";
import { bounded } from "../bounded.ts";
import type { PoppedMessage } from "../messages.ts";
import { encodingOf } from "../states.ts";

/** Parsed specs by key; a key always means the same spec. */
export type SpecCache = Map<number, CallSpec>;

/** Makes the cache. */
export function createSpecCache(): SpecCache {
  return bounded<number, CallSpec>(2000);
}

/** The hand-out that a popped batch stands for. */
export function poppedHandout(popped: PoppedMessage, cache: SpecCache): Handout {
  const n = popped.ids.length;
  const tasks = new Array<LeaseEntry>(n);
  for (let i = 0; i < n; i++) {
    const form = popped.forms[i] as number;
    const size = popped.sizes[i] as number;
    const entry: LeaseEntry = {
      id: popped.ids[i] as string,
      lease: popped.leases[i] as number,
      attempt: popped.attempts[i] as number,
      submittedAt: popped.submittedAt[i] as number,
    };
    const spec = popped.specOf[i] as number;
    if (spec > 0) entry.spec = spec;
    if ((form & 3) !== 0) entry.encoding = encodingOf(form);
    const blob = popped.blobs[i];
    if (blob) {
      entry.blob = blob;
      entry.size = size;
    } else entry.length = size;
    tasks[i] = entry;
  }
  return {
    endpoint: popped.endpoint,
    epoch: popped.epoch,
    pull: popped.pull,
    specs: popped.specs.map(({ key, owner, text }) => ({ ...parsedSpec(key, text, cache), key, owner })),
    tasks,
    classes: popped.specs.map(({ className }) => className),
    body: popped.body,
  };
}

function parsedSpec(key: number, text: string, cache: SpecCache): CallSpec {
  let spec = cache.get(key);
  if (!spec) {
    spec = JSON.parse(text) as CallSpec;
    cache.set(key, spec);
  }
  return spec;
}
