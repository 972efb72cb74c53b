/** Commands as the shell of a login node takes them, and their output out of what else that shell prints. Pure. */

/** One word of a POSIX shell; what is within single quotes stands for itself. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** An argv as one line of a POSIX shell. Throws for what no argv can hold. */
export function quoteAll(argv: readonly string[]): string {
  if (argv.some((word) => word.includes("\0"))) throw new TypeError("an argument holds a NUL");
  return argv.map(quote).join(" ");
}

/**
 * The command to give to sshd for a script of POSIX sh. The login shell reads it first: to csh a newline or `!` within quotes
 * means something, to fish a backslash before another or before a quote; then the script is sent as octal escapes.
 */
export function loginCommand(script: string): string {
  const text = /[\n\r!]|\\(?:[\\']|$)/.test(script) ? `eval "$(printf '%b' ${quote(octal(script))})"` : script;
  return `exec /bin/sh -c ${quote(text)}`;
}

/** A script that prints marks around its output on both streams, so that what a login prints can be told from it. */
export function framed(script: string, mark: string): string {
  const begin = `printf '\\n${mark}<\\n'`;
  const end = `printf '\\n${mark}%s>\\n' "$farcall_code"`;
  // What runs in the subshell may exit, and its last line may be a comment.
  const body = /[\n#]/.test(script) ? `(\n${script}\n)` : `(${script})`;
  return `${begin}; ${begin} >&2; ${body}; farcall_code=$?; ${end}; ${end} >&2; exit "$farcall_code"`;
}

/** The same for a script that the shell reads from its standard input: nothing in it can read the rest of it. */
export function scriptInput(script: string, mark: string): string {
  return `{ ${framed(script, mark)}; } </dev/null\n`;
}

export type Unframed = {
  /** what the script printed; when its end is missing, as far as it got */
  output: string;
  /** undefined: it did not end by itself */
  code: number | undefined;
  /** it printed its first mark */
  began: boolean;
};

/** What stands between the marks of one stream. */
export function unframe(text: string, mark: string): Unframed {
  const open = `\n${mark}<\n`;
  const from = text.indexOf(open);
  if (from === -1) return { output: text, code: undefined, began: false };
  const rest = text.slice(from + open.length);
  const end = new RegExp(`\\n${mark}(\\d+)>\\n`).exec(rest);
  if (!end) return { output: rest, code: undefined, began: true };
  return { output: rest.slice(0, end.index), code: Number(end[1]), began: true };
}

function octal(script: string): string {
  let text = "";
  for (const byte of Buffer.from(script, "utf8")) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x21 && byte !== 0x5c && byte !== 0x27;
    text += plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, "0")}`;
  }
  return text;
}
