/** An endpoint's side as the store sees it: takes what waits and reports ends, without wire, agent or workers. */

import type { Handout } from "../../../gateway/store/port.ts";
import type { ResultEntry } from "../../../protocol/batch.ts";
import { DEFAULT_RESOURCES, resourceClass } from "../../../protocol/task.ts";
import type { TestGateway } from "./gateway.ts";

/** Takes tasks and reports their ends. */
export type Site = {
  epoch: number;
  /** Leases what waits, at most `tasks`. */
  take(tasks?: number): Promise<Handout["tasks"]>;
  /** Reports ends; succeeded with the value's JSON where nothing else is said. */
  report(
    ends: (Omit<ResultEntry, "outcome" | "length"> & { outcome?: ResultEntry["outcome"]; value?: unknown })[],
  ): Promise<number>;
  /** Takes everything that waits and reports that it succeeded with this value. */
  finishAll(value?: unknown): Promise<string[]>;
};

const HELLO = { version: "test", host: "h", bootId: "b", pid: 1, nonce: "n", takeOver: false, orphanTimeoutMs: 60_000 };

/** Starts an epoch at the endpoint and opens a pull. */
export async function openSite({ store, dispatcher }: TestGateway, endpoint: string): Promise<Site> {
  const { epoch } = await store.startEpoch(endpoint, HELLO, { previousAnswers: false });
  await store.openPull(endpoint, epoch, 1);
  const limits = (tasks: number) => ({ [resourceClass(DEFAULT_RESOURCES)]: { tasks, bytes: 1 << 30 } });

  const site: Site = {
    epoch,
    async take(tasks = 1000) {
      const effects = await store.pop([{ endpoint, epoch, pull: 1, room: limits(tasks) }]);
      dispatcher.apply(effects);
      return effects.handouts.flatMap((handout) => handout.tasks);
    },
    async report(ends) {
      const chunks: Uint8Array[] = [];
      const results = ends.map(({ value, ...end }): ResultEntry => {
        const outcome = end.outcome ?? "succeeded";
        if (outcome !== "succeeded" || end.blob !== undefined)
          return { ...end, outcome, ...(end.blob ? {} : { length: 0 }) };
        const bytes = Buffer.from(JSON.stringify(value ?? null));
        chunks.push(bytes);
        return { ...end, outcome, length: bytes.length };
      });
      const body = Buffer.concat(chunks);
      const output = await store.report({ endpoint, epoch, results, starts: [], body, pulls: [] });
      dispatcher.apply(output);
      return output.superseded;
    },
    async finishAll(value) {
      const leased = await site.take();
      await site.report(leased.map(({ id, lease }) => ({ id, lease, value })));
      return leased.map(({ id }) => id);
    },
  };
  return site;
}
