/** The few shapes of Markdown that the generated pages share. */

/** A table; a `|` inside a cell is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The first lines of a generated page: where it comes from and how to write it again. */
export function generatedNotice(...sources: readonly string[]): string {
  const named = sources.map((source) => `\`${source}\``).join(" and ");
  return `<!-- Written by docs/generate.ts; do not edit. -->\n\n*Generated from ${named} by \`npm run docs\`.*`;
}
