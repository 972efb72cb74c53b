/** Tables that fit the terminal: wide columns give way first; without a terminal nothing is cut. */
import { cut, displayWidth, oneLine } from "./text.ts";

export type Column<Row> = {
  title: string;
  value: (row: Row) => string | number | null | undefined;
  align?: "left" | "right";
  /** how narrow it may become; its whole width if not said */
  min?: number;
};

const GAP = "  ";

/** The lines of a table, the titles first; `width` is undefined where lines may be of any length. */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: { width: number | undefined; title?: (text: string) => string },
): string[] {
  const cells = rows.map((row) => columns.map((column) => oneLine(String(column.value(row) ?? "-"))));
  const natural = columns.map((column, i) =>
    Math.max(displayWidth(column.title), ...cells.map((line) => displayWidth(line[i] as string))),
  );
  const widths = options.width === undefined ? natural : shrink(natural, columns, options.width);
  const draw = (line: readonly string[]) => {
    const drawn = line.map((cell, i) => pad(cut(cell, widths[i] as number), widths[i] as number, columns[i]?.align));
    return drawn
      .filter((_, i) => widths[i] !== 0)
      .join(GAP)
      .trimEnd();
  };
  const title = options.title ?? ((text: string) => text);
  return [title(draw(columns.map((column) => column.title))), ...cells.map(draw)];
}

/** Takes columns from the widest that may give, one at a time, until the table fits; then hides columns from the right. */
function shrink<Row>(natural: readonly number[], columns: readonly Column<Row>[], width: number): number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, w) => sum + w, 0) + GAP.length * (widths.filter((w) => w > 0).length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const mayGive = column.min !== undefined && (widths[i] as number) > column.min;
      if (mayGive && (widest < 0 || (widths[i] as number) > (widths[widest] as number))) widest = i;
    }
    if (widest >= 0) widths[widest] = (widths[widest] as number) - 1;
    else if (!hideLast(widths)) break;
  }
  // The first column alone may still be too wide for a very narrow terminal.
  if (total() > width) widths[0] = Math.max(1, width);
  return widths;
}

function hideLast(widths: number[]): boolean {
  const last = widths.findLastIndex((w) => w > 0);
  if (last <= 0) return false;
  widths[last] = 0;
  return true;
}

function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "right" ? space + text : text + space;
}
