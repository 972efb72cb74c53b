/** Where the CLI writes: results to stdout, everything else to stderr; colour and moving lines only on a terminal. */
import { styleText } from "node:util";
import type { Environment } from "../../deploy/directories.ts";
import { type Column, tableLines } from "./table.ts";
import { cut, displayWidth } from "./text.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

type Stream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number };

export type Terminal = {
  /** columns of stdout; undefined when it is no terminal */
  readonly width: number | undefined;
  /** whether moving lines may be drawn on stderr */
  readonly animated: boolean;
  style(style: Style, text: string): string;
  /** One line of the result. */
  line(text?: string): void;
  /** The result as one line of JSON. */
  json(value: unknown): void;
  /** Bytes of the result as they are; resolves when there is room for more. */
  write(bytes: Uint8Array | string): Promise<void>;
  writeError(bytes: Uint8Array | string): Promise<void>;
  /** One line about what goes on, to stderr. */
  note(text: string): void;
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void;
  /** Replaces what is on the terminal; elsewhere the lines follow the earlier ones, after an empty one. */
  screen(lines: readonly string[]): Promise<void>;
  /** Replaces the moving line on stderr; "" removes it. Does nothing without a terminal. */
  status(text: string): void;
};

/** The terminal of this process; NO_COLOR, FORCE_COLOR and COLUMNS are honoured. */
export function createTerminal(io: { stdout: Stream; stderr: Stream; env: Environment }): Terminal {
  const { stdout, stderr, env } = io;
  const coloured = env.NO_COLOR ? false : env.FORCE_COLOR ? env.FORCE_COLOR !== "0" : usesColour(stdout, env);
  const animated = stderr.isTTY === true && env.TERM !== "dumb";
  let status = "";
  const around = (write: () => void) => {
    if (status !== "") stderr.write("\r\x1b[K");
    write();
    if (status !== "") stderr.write(status);
  };
  const widthOf = (stream: Stream) => {
    if (!stream.isTTY) return undefined;
    return stream.columns || Number(env.COLUMNS) || 80;
  };
  const terminal: Terminal = {
    get width() {
      return widthOf(stdout);
    },
    animated,
    style: (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text),
    line: (text = "") => around(() => stdout.write(`${text}\n`)),
    json: (value) => around(() => stdout.write(`${JSON.stringify(value)}\n`)),
    async write(bytes) {
      // Elsewhere than on the same terminal it does not get into the moving line's way.
      if (status === "" || !stdout.isTTY) return drained(stdout, bytes);
      stderr.write("\r\x1b[K");
      await drained(stdout, bytes);
      stderr.write(status);
    },
    writeError: (bytes) => drained(stderr, bytes),
    note: (text) => around(() => stderr.write(`${text}\n`)),
    table(rows, columns) {
      const title = (text: string) => terminal.style("bold", text);
      for (const line of tableLines(rows, columns, { width: widthOf(stdout), title })) terminal.line(line);
    },
    async screen(lines) {
      const width = widthOf(stdout);
      if (width === undefined || env.TERM === "dumb") return terminal.write(`${lines.join("\n")}\n\n`);
      const rows = Math.max(1, (stdout.rows || Number(env.LINES) || 24) - 1);
      const shown = lines.flatMap((line) => folded(line, width)).slice(0, rows);
      // Line by line, so that nothing flickers.
      stdout.write(`\x1b[H${shown.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    },
    status(text) {
      if (!animated || (text === "" && status === "")) return;
      status = "";
      if (text !== "") status = cut(text, (widthOf(stderr) ?? 80) - 1);
      stderr.write(`\r\x1b[K${status}`);
    },
  };
  return terminal;
}

/** A bar of `width` columns, `done` of 0 to 1. */
export function bar(done: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, done)) * width);
  const text = "█".repeat(filled) + "░".repeat(width - filled);
  return displayWidth(text) === width ? text : "";
}

/** A line of any length as lines that fit; styled ones are made to fit by who styles them. */
function folded(line: string, width: number): string[] {
  const parts: string[] = [];
  for (let rest = line; !line.includes("\x1b") && displayWidth(rest) > width; ) {
    const part = cut(rest, width + 1).slice(0, -1);
    parts.push(part);
    rest = rest.slice(part.length);
    line = rest;
  }
  return [...parts, line];
}

function usesColour(stream: Stream, env: Environment): boolean {
  return stream.isTTY === true && env.TERM !== "dumb";
}

function drained(stream: Stream, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => {
    if (stream.write(bytes)) resolve();
    else stream.once("drain", () => resolve());
  });
}
