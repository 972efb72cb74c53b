/** Jobs whose end is certain, as SGE's list shows it, though only the history tells how. */
import { expect, it } from "vitest";
import { createAbsences } from "../../../endpoint-agent/provider/batch/absences.ts";
import type { ListedJob } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { DEFAULT_TIMING } from "../../../endpoint-agent/provider/batch/timing.ts";

function open({ past = [] as ListedJob[], exitCode = undefined as number | undefined, connected = false } = {}) {
  const absences = createAbsences({
    dialect: { history: { command: () => ["history"], parse: () => past } },
    timing: { ...DEFAULT_TIMING, intervalMs: 30_000, now: () => 5_000, minLists: 3 },
    orphanTimeoutMs: 3_600_000,
    user: "alice",
    nameOf: (block) => `fc-${block}`,
    exitCodeOf: () => exitCode,
    contactOf: () => (connected ? { at: 5_000, connected } : undefined),
    run: async () => ({ code: 0, stdout: "", stderr: "" }),
  });
  let serial = 0;
  const absent = [{ job: "7/b", given: "z: ended", settled: true }];
  return async () => (await absences.judge(absent, { serial: ++serial, askedAt: 0, jobs: new Map() })).get("7/b");
}
const record = (more: Partial<ListedJob> = {}): ListedJob => ({
  id: "7",
  name: "fc-b",
  state: "gone",
  reason: "exit code 3",
  ...more,
});

it("is told by the history at once, when that has it", async () => {
  const judge = open({ past: [record({ taken: true })] });
  expect(await judge()).toEqual({ state: "gone", reason: "exit code 3", taken: true });
});

it("was never started when the history still does not have it three lists later", async () => {
  const judge = open();
  expect(await judge()).toBeUndefined();
  expect(await judge()).toBeUndefined();
  expect(await judge()).toEqual({ state: "gone", reason: "ended before it was started", taken: true });
});

it("ended by itself when the history still does not have it, but its script has written down its end", async () => {
  const judge = open({ exitCode: 4 });
  expect(await judge()).toBeUndefined();
  expect(await judge()).toBeUndefined();
  expect(await judge()).toEqual({ state: "gone", reason: "its script has ended" });
});

it("may live on when the history says that nobody saw its end, and does while its managers answer", async () => {
  for (const judge of [open({ past: [record({ unproven: true })] }), open({ connected: true })]) {
    for (let list = 0; list < 6; list++) expect(await judge()).toBeUndefined();
  }
});
