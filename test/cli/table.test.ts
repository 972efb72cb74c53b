import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Column, tableLines } from "../../cli/output/table.ts";
import { displayWidth } from "../../cli/output/text.ts";

type Row = { id: string; name: string; size: number };
const columns: Column<Row>[] = [
  { title: "ID", value: (row) => row.id },
  { title: "NAME", value: (row) => row.name, min: 6 },
  { title: "SIZE", value: (row) => row.size, align: "right" },
];
const row = fc.record({ id: fc.string({ minLength: 1, maxLength: 12 }), name: fc.string(), size: fc.nat() });

describe("a table", () => {
  it("aligns its columns", () => {
    const rows = [
      { id: "a", name: "one", size: 5 },
      { id: "bb", name: "twelve", size: 1234 },
    ];
    expect(tableLines(rows, columns, { width: 80 })).toEqual([
      "ID  NAME    SIZE",
      "a   one        5",
      "bb  twelve  1234",
    ]);
  });

  it("takes from the widest column that may give", () => {
    const rows = [{ id: "0123456789", name: "a rather long name of a function", size: 7 }];
    expect(tableLines(rows, columns, { width: 30 })[1]).toBe("0123456789  a rather lo…     7");
  });

  it("hides columns from the right when nothing else helps", () => {
    const rows = [{ id: "0123456789", name: "a rather long name", size: 7 }];
    expect(tableLines(rows, columns, { width: 18 })).toEqual(["ID          NAME", "0123456789  a rat…"]);
  });

  it("is never wider than the terminal", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), fc.integer({ min: 1, max: 120 }), (rows, width) => {
        for (const line of tableLines(rows, columns, { width })) {
          expect(displayWidth(line)).toBeLessThanOrEqual(width);
        }
      }),
    );
  });

  it("cuts nothing where there is no terminal", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii", minLength: 1 }), (name) => {
        const shown = name.replace(/\s+/g, " ").trim();
        expect(tableLines([{ id: "a", name, size: 1 }], columns, { width: undefined })[1]).toContain(shown);
      }),
    );
  });

  it("shows remote text without control characters", () => {
    const rows = [{ id: "a", name: "\x1b[2Jgone\nnext", size: 1 }];
    expect(tableLines(rows, columns, { width: 80 })[1]).toBe("a   gone next     1");
  });
});
