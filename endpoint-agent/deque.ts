/** A queue with both ends: `shift` of a long array moves all of it, this one does not. */
export type Deque<T> = {
  readonly length: number;
  push(item: T): void;
  /** Puts an item before all others. */
  unshift(item: T): void;
  peek(): T | undefined;
  shift(): T | undefined;
  /** Removes those for which `drop` is true and returns how many they were. */
  remove(drop: (item: T) => boolean): number;
};

/** Makes an empty deque. */
export function createDeque<T>(): Deque<T> {
  let items: T[] = [];
  let head = 0;
  return {
    get length() {
      return items.length - head;
    },
    push(item) {
      items.push(item);
    },
    unshift(item) {
      if (head > 0) items[--head] = item;
      else items.unshift(item);
    },
    peek: () => items[head],
    shift() {
      if (head === items.length) return undefined;
      const item = items[head] as T;
      items[head++] = undefined as T;
      // Amortised: what is cut off is at least as long as what is moved.
      if (head > 64 && head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
    remove(drop) {
      const before = items.length - head;
      items = items.slice(head).filter((item) => !drop(item));
      head = 0;
      return before - items.length;
    },
  };
}
