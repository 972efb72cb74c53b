/** Batch numbers as an agent keeps them (PROTOCOL.md rule 8): each is taken once, a denied one never. */
export function createReceipts() {
  const pulls = new Map<number, Set<number>>();
  const refused = new Set<string>();
  const of = (pull: number) => {
    const known = pulls.get(pull) ?? new Set<number>();
    pulls.set(pull, known);
    return known;
  };
  return {
    take(pull: number, batch: number): boolean {
      const known = of(pull);
      if (known.has(batch)) return false;
      known.add(batch);
      return true;
    },
    upTo(pull: number): number {
      const known = of(pull);
      let up = 0;
      while (known.has(up + 1)) up++;
      return up;
    },
    deny(pull: number, batches: readonly number[]): number[] {
      const known = of(pull);
      // Said again when it is asked again: the first answer may have been lost.
      const denied = batches.filter((batch) => !known.has(batch) || refused.has(`${pull}#${batch}`));
      for (const batch of denied) {
        known.add(batch);
        refused.add(`${pull}#${batch}`);
      }
      return denied;
    },
  };
}
