import { expect, it } from "vitest";
import { lasting } from "../../gateway/use-cases/lasting.ts";

it("a time span is said in the two units that matter", () => {
  const spans = [-5, 0, 59_400, 60_000, 3_599_000, 3_600_000, 9_000_000, 86_400_000, 5 * 86_400_000 + 3_600_000];
  const said = ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "2 h 30 min", "1 d", "5 d 1 h"];
  expect(spans.map(lasting)).toEqual(said);
});
