/** Notices when the disk under the journal is full, broken or silent, and when it is well again (FAULTS.md A8, A10). */
import { nowMs } from "./clock.ts";
import type { Journal } from "./journal.ts";

/** A journal that nobody writes to is looked at so often. */
const LOOK_MS = 10_000;

/** Makes a check to be called now and then; `onChange` hears when `journal.trouble` came or went. */
export function createJournalWatch(journal: Journal, onChange: () => void): () => void {
  let troubled = false;
  let lookedAt = nowMs();
  let probing = false;
  return () => {
    // While the gateway is quick nothing else is written that could show that the disk is back.
    if (journal.trouble !== undefined && !probing) {
      probing = true;
      void journal.probe().finally(() => {
        probing = false;
      });
    } else if (nowMs() - lookedAt > LOOK_MS) {
      lookedAt = nowMs();
      journal.look();
    }
    if ((journal.trouble !== undefined) === troubled) return;
    troubled = !troubled;
    onChange();
  };
}
