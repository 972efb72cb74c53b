/** Task filters as SQL over `tasks t` and its spec `s`, and the range of rows that a filter can match at all. */
import type { DatabaseSync } from "node:sqlite";
import type { TaskQuery } from "../../port.ts";
import { CODE } from "../states.ts";

export type Filter = Omit<TaskQuery, "order" | "cursor" | "limit">;

/** Inclusive bounds of `seq`. */
export type Range = { from: number; to: number };

/** A filter's conditions on the spec `s`, with their parameters. */
export function specConditions(filter: Filter): { sql: string; params: Record<string, string> } {
  const conditions: string[] = [];
  const params: Record<string, string> = {};
  const add = (sql: string, name: string, value: string | null | undefined) => {
    if (value === undefined || value === null) return;
    conditions.push(sql);
    params[name] = value;
  };
  add("s.owner = (select key from owners where name = :owner)", "owner", filter.owner);
  add(
    "s.endpoint in (select key from endpoints where id = :endpoint or name = :endpoint)",
    "endpoint",
    filter.endpoint,
  );
  add(
    "(s.function = :function or s.function in (select id from functions where name = :function))",
    "function",
    filter.function,
  );
  add("s.grp in (select key from groups where name = :group)", "group", filter.group);
  return { sql: conditions.map((condition) => ` and ${condition}`).join(""), params };
}

/** The states of a filter as codes. */
export function stateCodes(filter: Filter): number[] | null {
  return filter.states === undefined || filter.states.length === 0 ? null : filter.states.map((state) => CODE[state]);
}

/** Prepares the look-ups that bound a filter. */
export function createRanges(db: DatabaseSync) {
  const ends = db.prepare("select min(seq) as low, max(seq) as high from tasks");
  const lows = db.prepare("select seq, submitted_at as at from tasks where seq >= ? order by seq limit 1");
  const groups = db.prepare(
    `select min(first_seq) as low, max(last_seq) as high from groups
     where name = ?1 and (?2 is null or owner = (select key from owners where name = ?2))`,
  );

  /** The first row submitted at `ms` or later: rows are in the order of their times. */
  function firstSince(ms: number, { from, to }: Range): number {
    let low = from;
    let high = to + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = lows.get(middle) as { seq: number; at: number } | undefined;
      if (!row || row.at >= ms) high = middle;
      else low = row.seq + 1;
    }
    return low;
  }

  return {
    /** The rows that may match; null when there are none. */
    of(filter: Filter): Range | null {
      const { low, high } = ends.get() as { low: number | null; high: number | null };
      if (low === null || high === null) return null;
      const range: Range = { from: low, to: high };
      if (filter.group !== undefined) {
        const group = groups.get(filter.group, filter.owner) as { low: number | null; high: number | null };
        if (group.low === null || group.high === null) return null;
        range.from = Math.max(range.from, group.low);
        range.to = Math.min(range.to, group.high);
      }
      if (filter.sinceMs !== undefined) range.from = firstSince(filter.sinceMs, range);
      if (filter.untilMs !== undefined) range.to = firstSince(filter.untilMs, range) - 1;
      return range.from > range.to ? null : range;
    },
  };
}
