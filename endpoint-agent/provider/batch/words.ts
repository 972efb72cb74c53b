/** A scheduler's own words, made fit for one line of a terminal. */
import type { CommandOutput } from "./dialect.ts";

const MAX_CHARACTERS = 500;

/** Why a command has failed. */
export function wordsOf(argv: readonly string[], output: CommandOutput): string {
  const name = argv[0] as string;
  const said = oneLine(output.stderr) || oneLine(output.stdout);
  const how = output.code === null ? "it was ended" : `exit code ${output.code}`;
  if (output.code === 0) return `${name}: its answer cannot be read${said === "" ? "" : `: ${said}`}`;
  if (said === "") return `${name}: ${how}`;
  return said.startsWith(`${name}:`) ? said : `${name}: ${said}`;
}

/** What several have said of one end, each thing once: schedulers that tell the exit code say what the script has noted. */
export function joined(said: readonly (string | null | undefined)[]): string {
  return [...new Set(said)].filter((words) => words).join(": ");
}

function oneLine(text: string): string {
  const plain = text
    .slice(0, 4 * MAX_CHARACTERS)
    .replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "")
    .replaceAll(/[\0-\x09\x0b-\x1f\x7f-\x9f]/g, "");
  const lines = plain.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "")
    .join("; ")
    .slice(0, MAX_CHARACTERS);
}
