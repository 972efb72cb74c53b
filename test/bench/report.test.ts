import { describe, expect, it } from "vitest";
import { alignColumns, reportTable } from "../../bench/report.ts";
import { TARGETS, verdict } from "../../bench/targets.ts";

describe("the benchmark's report", () => {
  it("says of each number whether it is as it should be", () => {
    const table = reportTable({ seq_p50_ms: 3, noop_tasks_per_s: 40_000, something: 7 });
    expect(table.split("\n")).toEqual([
      "bag of no-ops  40,000  tasks/s  ≥ 35,000  ok",
      "one call, p50       3  ms       ≤ 2.5     MISSED",
      "something           7",
    ]);
  });

  it("asks nothing of a number without a bound, nor of what is no number", () => {
    expect(verdict(TARGETS.raw_http_ms, 1)).toBeUndefined();
    expect(verdict(TARGETS.seq_p50_ms, "fast")).toBeUndefined();
    expect(verdict(TARGETS.seq_p50_ms, Number.NaN)).toBe(false);
  });

  it("aligns columns", () => {
    expect(
      alignColumns(
        [
          ["a", "1"],
          ["bb", "10"],
        ],
        [1],
      ),
    ).toBe("a    1\nbb  10");
  });
});
