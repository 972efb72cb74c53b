/** A dispatcher without a wire: tasks are stored and stay queued; what happens to them the test says through the store. */
import type { Dispatcher, EventHub } from "../../../gateway/ports.ts";
import type { Store } from "../../../gateway/store/port.ts";

/** For tests of the HTTP side alone, where no agent is to take the tasks. */
export function createUnwiredDispatcher(parts: { store: Store; hub: EventHub }): Dispatcher {
  return {
    async submit(input) {
      const output = await parts.store.submit({ ...input, pulls: [] });
      parts.hub.publish(output.events);
      return output;
    },
    apply: (effects) => parts.hub.publish(effects.events),
    status: () => ({ online: false, lastSeenAt: null, summary: null }),
    drain: async () => undefined,
    watchLog: () => undefined,
    connected: () => true,
    counts: () => ({ openPulls: 0, unreceiptedBatches: 0, unreceiptedBytes: 0, refused: 0 }),
    stop: async () => undefined,
  };
}
