/** Lets a bounded number of actions run at a time; the others wait their turn. */

export type Gate = <T>(action: () => Promise<T>) => Promise<T>;

/** Makes a gate that lets `width` actions through at a time. */
export function createGate(width: number): Gate {
  let free = width;
  const waiting: (() => void)[] = [];
  return async (action) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await action();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
