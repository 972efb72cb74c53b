/** The parts of a query that every list has. */
import { badField } from "../../protocol/batch.ts";

/** As the store takes them: its cursors are positions. Throws BAD_REQUEST for a cursor that is no list's. */
export function pageOptions(query: { cursor?: string | undefined; limit: number }): { cursor?: string; limit: number } {
  const { cursor, limit } = query;
  if (cursor === undefined) return { limit };
  if (!/^\d{1,15}$/.test(cursor)) throw badField("query.cursor", cursor, "the cursor of the page before");
  return { cursor, limit };
}
