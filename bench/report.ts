/** Measurements as a table for people. */
import { round } from "./measure/statistics.ts";
import { TARGETS, verdict } from "./targets.ts";
import type { Measurements } from "./workload.ts";

/** A line a measurement: what it is, its value, what it should be, and whether it is. */
export function reportTable(measurements: Measurements): string {
  const keys = [
    ...Object.keys(TARGETS).filter((key) => key in measurements),
    ...Object.keys(measurements).filter((key) => !(key in TARGETS)),
  ];
  return alignColumns(
    keys.map((key) => {
      const target = TARGETS[key];
      const value = measurements[key];
      const bound = [bounded("≥", target?.atLeast), bounded("≤", target?.atMost)].join("");
      const good = verdict(target, value);
      return [
        target?.label ?? key,
        shown(value),
        target?.unit ?? "",
        bound,
        good === undefined ? "" : good ? "ok" : "MISSED",
      ];
    }),
    [1],
  );
}

/** Pads the columns to one width each; those in `right` are aligned to the right. */
export function alignColumns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const pad = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}

/** A number with three digits that matter, thousands apart. */
export function shown(value: unknown): string {
  return typeof value === "number" ? round(value).toLocaleString("en") : String(value);
}

function bounded(sign: string, bound: number | undefined): string {
  return bound === undefined ? "" : `${sign} ${bound.toLocaleString("en")}`;
}
