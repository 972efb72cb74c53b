/** Notices when the disk under the journal is full or broken, and when it is well again (FAULTS.md A8). */
import type { Journal } from "./journal.ts";

/** Makes a check to be called now and then; `onChange` hears when `journal.trouble` came or went. */
export function createJournalWatch(journal: Journal, onChange: () => void): () => void {
  let troubled = false;
  return () => {
    // While the gateway is quick nothing else is written that could show that the disk is back.
    if (journal.trouble !== undefined) void journal.probe();
    if ((journal.trouble !== undefined) === troubled) return;
    troubled = !troubled;
    onChange();
  };
}
