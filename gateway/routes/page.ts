/** The parts of a query that every list has, as the store takes them. */
export function pageOptions(query: { cursor?: string | undefined; limit: number }): { cursor?: string; limit: number } {
  return query.cursor === undefined ? { limit: query.limit } : { cursor: query.cursor, limit: query.limit };
}
