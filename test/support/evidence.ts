/**
 * Evidence from outside the system: user functions append a line at their start and end to a file, and the checker holds
 * the invariants of FAULTS.md (I1 to I4) against it and against what the API says.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";

export type Line = { key: string; phase: "start" | "end"; pid: number; at: number };

/** A JavaScript function that leaves evidence, sleeps `ms` and returns its key; it uses nothing from outside itself. */
export const witness = async (file: string, key: string, ms: number): Promise<string> => {
  const fs = await import("node:fs");
  const note = (phase: string) =>
    fs.appendFileSync(
      file,
      `${JSON.stringify({ key, phase, pid: process.pid, at: process.hrtime.bigint().toString() })}\n`,
    );
  note("start");
  await new Promise((resolve) => setTimeout(resolve, ms));
  note("end");
  return key;
};

/** The same in Python. */
export const PYTHON_WITNESS = `def witness(file, key, ms):
    import json, os, time
    def note(phase):
        line = {"key": key, "phase": phase, "pid": os.getpid(), "at": str(int(time.monotonic() * 1e9))}
        with open(file, "a") as out:
            out.write(json.dumps(line) + "\\n")
    note("start")
    time.sleep(ms / 1000)
    note("end")
    return key
`;

/** The lines of an evidence file; times are nanoseconds of the host's monotonic clock, made milliseconds here. */
export function readEvidence(file: string): Line[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => {
      const line = JSON.parse(text) as Omit<Line, "at"> & { at: string };
      return { ...line, at: Number(BigInt(line.at) / 1000n) / 1000 };
    });
}

export type Verdict = { starts: Map<string, number>; overlaps: string[] };

/**
 * Counts the starts of each key, and names the keys of which two attempts were alive at once. An attempt lives from its
 * start to its end; one without an end lives until `endOf(pid)`, by default its start (it was killed, nobody knows when).
 */
export function judge(lines: readonly Line[], endOf: (line: Line) => number = (line) => line.at): Verdict {
  const starts = new Map<string, number>();
  const alive = new Map<string, { from: number; to: number }[]>();
  for (const [index, line] of lines.entries()) {
    if (line.phase !== "start") continue;
    starts.set(line.key, (starts.get(line.key) ?? 0) + 1);
    const end = lines
      .slice(index)
      .find((later) => later.phase === "end" && later.key === line.key && later.pid === line.pid);
    const intervals = alive.get(line.key) ?? [];
    intervals.push({ from: line.at, to: end?.at ?? endOf(line) });
    alive.set(line.key, intervals);
  }
  const overlaps: string[] = [];
  for (const [key, intervals] of alive) {
    intervals.sort((a, b) => a.from - b.from);
    if (intervals.some((interval, i) => i > 0 && interval.from < (intervals[i - 1]?.to ?? 0))) overlaps.push(key);
  }
  return { starts, overlaps };
}

/** Appends a line as a witness would; for the checker's own tests. */
export function noteEvidence(file: string, line: Omit<Line, "at"> & { at: number }): void {
  appendFileSync(file, `${JSON.stringify({ ...line, at: String(Math.round(line.at * 1e6)) })}\n`);
}
