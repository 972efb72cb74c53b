/** Work that is done once for everything that came in together, so that messages are few and full. */

/** A function that runs `work` after what the event loop brought in this round, however often it is called. */
export function oncePerTurn(work: () => void): () => void {
  let scheduled = false;
  const run = () => {
    scheduled = false;
    work();
  };
  return () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(run);
  };
}
