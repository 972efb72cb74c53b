/** How long a manager's block may still live. */

/**
 * `walltimeMs` counts from the block's start, of which the manager sees only its own, later one; `endsAt` (Unix seconds) was
 * noted by the block's script when it started. It is believed only if it is plausible: it is another machine's clock.
 */
export function remainingTime(walltimeMs: number | null, endsAt: string | undefined): () => number | null {
  if (walltimeMs === null) return () => null;
  const noted = endsAt && /^\d{9,11}$/.test(endsAt) ? Number(endsAt) * 1000 - Date.now() : walltimeMs;
  const atStart = noted > 0 && noted < walltimeMs ? noted : walltimeMs;
  const startedAt = performance.now();
  return () => atStart - (performance.now() - startedAt);
}
