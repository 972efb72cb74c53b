/** A gateway that starts says so to all agents: who kept their pulls may be the one that it replaces. */
import type { Store } from "../store/port.ts";
import type { Controls } from "./control.ts";

export type AnnounceParts = {
  store: Pick<Store, "listEndpoints">;
  controls: Pick<Controls, "ask">;
  /** the endpoint's pull is open here */
  pulled(endpoint: string): boolean;
};

const PAGE = 500;
/** Whoever does not hear of it finds out by silence. */
const WITHIN_MS = 2_000;

/** Asks every endpoint's agent to open its pull anew; resolves when all were asked, not when they have answered. */
export async function announce({ store, controls, pulled }: AnnounceParts): Promise<void> {
  let cursor: string | undefined;
  do {
    const page = await store.listEndpoints({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const { id } of page.items) {
      const unless = () => pulled(id);
      void controls.ask(id, { kind: "pull" }, { epoch: 0, withinMs: WITHIN_MS, unless });
    }
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
}
