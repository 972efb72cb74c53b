/** Lets only so many through at once; the others wait in order. */
export type Limit = {
  <T>(work: () => Promise<T>): Promise<T>;
  /** Whoever counts on the other side allows no more than `to`. */
  lower(to: number): void;
};

/** A limit of `most` at once. */
export function createLimit(most: number): Limit {
  let running = 0;
  const waiting: (() => void)[] = [];
  const limit = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place is handed on, not given back: nobody can slip in between.
      const next = running <= most ? waiting.shift() : undefined;
      if (next) next();
      else running--;
    }
  };
  return Object.assign(limit, {
    lower(to: number) {
      most = Math.max(1, Math.min(most, to));
    },
  });
}
