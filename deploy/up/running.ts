/** The note that a running `farcall up` keeps of itself and its parts, so that a second one, `status` and `down` find it. */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { endProcess } from "../escalation.ts";
import type { Layout } from "../layout.ts";
import { readJsonFile, writePrivateFile } from "../layout.ts";
import type { PartStatus } from "../part.ts";
import { identify, isSameProcess, type ProcessIdentity } from "../process-identity.ts";

export type RunningPart = PartStatus & { startTime: string | null };

export type RunningUp = ProcessIdentity & {
  state: "starting" | "ready" | "draining";
  startedAt: number;
  version: string;
  url: string | null;
  natsUrl: string | null;
  parts: RunningPart[];
};

/** What the note says, whether it is still true or not. */
export function readRunning(layout: Layout): RunningUp | undefined {
  const note = readJsonFile(layout.running) as RunningUp | undefined;
  return typeof note?.pid === "number" && Array.isArray(note.parts) ? note : undefined;
}

/** The live `up` of this state directory, or undefined. */
export function findRunning(layout: Layout): RunningUp | undefined {
  const note = readRunning(layout);
  return note && isSameProcess(note) ? note : undefined;
}

/** Keeps the note of this process. */
export function createRunningNote(layout: Layout, version: string) {
  const self = identify(process.pid) ?? { pid: process.pid, startTime: "" };
  let note: RunningUp = {
    ...self,
    state: "starting",
    startedAt: Date.now(),
    version,
    url: null,
    natsUrl: null,
    parts: [],
  };
  const write = () => writePrivateFile(layout.running, `${JSON.stringify(note, null, 2)}\n`);
  write();
  return {
    update(change: Partial<Omit<RunningUp, "parts">>) {
      note = { ...note, ...change };
      write();
    },
    parts(parts: readonly PartStatus[]) {
      const startTimes = new Map(note.parts.map((part) => [part.pid, part.startTime]));
      note.parts = parts.map((part) => ({ ...part, startTime: startTimeOf(part.pid, startTimes) }));
      write();
    },
    remove: () => rmSync(layout.running, { force: true }),
  };
}

/**
 * Kills parts that outlived their `up`. Nothing is lost: the database and the agent's journal survive it, and the managers
 * go on with their tasks until the next agent takes them up again.
 */
export async function killLeftovers(layout: Layout): Promise<number> {
  const left = leftovers(layout);
  for (const { pid } of left) process.kill(pid, "SIGKILL");
  for (const identity of left) while (isSameProcess(identity)) await sleep(10);
  return left.length;
}

/** Ends parts that outlived their `up` for good, with the work that they run; agents first, as they are listed last. */
export async function endLeftovers(layout: Layout, graceMs: number): Promise<number> {
  const left = leftovers(layout);
  for (const identity of left.reverse()) await endProcess(identity, graceMs);
  return left.length;
}

/** The names of the parts that run although their `up` is gone. */
export function unattendedParts(layout: Layout): string[] {
  return findRunning(layout) ? [] : leftovers(layout).map(({ name }) => name);
}

function leftovers(layout: Layout): (ProcessIdentity & { name: string })[] {
  return (readRunning(layout)?.parts ?? []).flatMap(({ name, pid, startTime }) => {
    if (pid === null || startTime === null) return [];
    return isSameProcess({ pid, startTime }) ? [{ name, pid, startTime }] : [];
  });
}

function startTimeOf(pid: number | null, known: Map<number | null, string | null>): string | null {
  if (pid === null) return null;
  return known.get(pid) ?? identify(pid)?.startTime ?? null;
}
