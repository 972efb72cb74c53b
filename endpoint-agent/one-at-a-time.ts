/** Work that must not overlap with itself. */

/** Runs `work`, or, while it runs, once more after it: what was asked for meanwhile is not lost. */
export function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running = false;
  let again = false;
  return async () => {
    again = running;
    if (running) return;
    running = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      running = false;
    }
  };
}
