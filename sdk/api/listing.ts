/** Lists that come in pages: awaited they are one page, looped over they are all of it. */

/**
 * A page of items; `cursor` leads to the next one, and is null on the last.
 *
 * @example
 * const { items, cursor }: Page<TaskView> = await farcall.tasks.list();
 */
export type Page<T> = { items: T[]; cursor: string | null };

/**
 * A list that can be awaited for its first page, or read to its end with `for await`.
 *
 * @example
 * for await (const task of farcall.tasks.list({ state: "failed" })) console.log(task.id);
 */
export type Listing<T> = PromiseLike<Page<T>> & AsyncIterable<T>;

/** Makes a listing. Nothing is asked for before somebody wants it. */
export function createListing<T, Q extends { cursor?: string | undefined; limit?: unknown }>(
  query: Q,
  fetchPage: (query: Q) => Promise<Page<T>>,
): Listing<T> {
  return {
    // biome-ignore lint/suspicious/noThenProperty: awaiting a listing gives its first page
    then: (onFulfilled, onRejected) => fetchPage(query).then(onFulfilled, onRejected),
    async *[Symbol.asyncIterator]() {
      let cursor: string | null = null;
      do {
        const page: Page<T> = await fetchPage(
          cursor === null ? { limit: 1000, ...query } : { limit: 1000, ...query, cursor },
        );
        yield* page.items;
        cursor = page.cursor;
      } while (cursor !== null);
    },
  };
}
