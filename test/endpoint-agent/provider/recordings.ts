/** Recorded answers of real schedulers, as fixtures: what was asked, what came, and which jobs a person reads in it. */
import { readFileSync } from "node:fs";
import type { CommandOutput } from "../../../endpoint-agent/provider/batch/dialect.ts";

export type RecordedList = CommandOutput & {
  title: string;
  argv: string;
  form?: "json" | "text";
  /** whether it is JSON at all */
  valid?: boolean;
  /** id, state letter and, if there is one, exit status */
  jobs: [string, string, string?][];
};

export type RecordedSubmit = CommandOutput & { argv: string };

/** Of `recordings/<name>.json`. */
export function recordings(name: string): {
  lists: RecordedList[];
  /** of ended jobs */
  history: RecordedList[];
  submits: RecordedSubmit[];
} {
  return JSON.parse(readFileSync(new URL(`recordings/${name}.json`, import.meta.url), "utf8"));
}

/** An answer that came without a word on stderr. */
export function answer(stdout: string, code: number | null = 0): CommandOutput {
  return { code, stdout, stderr: "" };
}
