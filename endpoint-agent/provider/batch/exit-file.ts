/** What a block's script writes beside the block's other files: its start, and with which exit code it ended. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type ExitFile = {
  /** `<host>-<pid>-<start>`: a script that the scheduler starts again has another one */
  incarnation: string;
  host: string;
  /** Unix seconds, on the clock of the machine that ran the script */
  startedAt: number;
  /** null while the script runs */
  end: { at: number; code: number } | null;
};

/** Of the block with this directory. */
export function exitFilePath(dir: string): string {
  return join(dir, "exit");
}

/** Reads the file of a block; undefined when there is none, or none that can be trusted. */
export function readExitFile(dir: string): ExitFile | undefined {
  try {
    return parseExitFile(readFileSync(exitFilePath(dir), "utf8"));
  } catch {
    return undefined;
  }
}

/** Lines of `key=value`; the last one, `complete=1`, tells that nothing is missing. */
export function parseExitFile(text: string): ExitFile | undefined {
  const fields = new Map<string, string>();
  for (const line of text.slice(0, 4_096).split("\n")) {
    const [, key, value] = /^([a-z]+)=(\S*)$/.exec(line) ?? [];
    if (key !== undefined) fields.set(key, value as string);
  }
  const number = (key: string) => (/^\d{1,15}$/.test(fields.get(key) ?? "") ? Number(fields.get(key)) : undefined);
  const startedAt = number("start");
  const incarnation = fields.get("incarnation");
  if (fields.get("complete") !== "1" || startedAt === undefined || !incarnation) return undefined;
  const file = { incarnation, host: fields.get("host") ?? "", startedAt };
  if (fields.get("end") === "") return { ...file, end: null };
  const at = number("end");
  const code = number("code");
  return at === undefined || code === undefined || code > 255 ? undefined : { ...file, end: { at, code } };
}
