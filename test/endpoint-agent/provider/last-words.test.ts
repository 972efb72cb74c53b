import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { lastWords } from "../../../endpoint-agent/provider/last-words.ts";

const dir = mkdtempSync(join(tmpdir(), "farcall-words-"));
afterAll(() => rmSync(dir, { recursive: true }));
let count = 0;
const log = (text: string) => {
  const file = join(dir, String(++count));
  writeFileSync(file, text);
  return file;
};

it("are the last line that says something, of the first log with one", () => {
  expect(lastWords(log("a\nb\n\n"))).toBe("b");
  expect(
    lastWords(
      log('{"level":30,"msg":"fine"}\n{"level":50,"msg":"no","err":{"message":"why"}}\n{"level":30,"msg":"end"}\n'),
    ),
  ).toBe("no: why");
  expect(lastWords(log('{"level":30,"msg":"fine"}\n'), log("second\n"))).toBe("second");
  expect(lastWords(log(""), join(dir, "missing"))).toBe(undefined);
});

it("are those that name a cause, though a launcher has more to say after them", () => {
  const slurm = [
    "slurmstepd-n1: error: StepId=1.0 exceeded memory limit (426463232 > 209715200), being killed",
    "srun: Job step aborted: Waiting up to 32 seconds for job step to finish.",
    "srun: error: n1: task 0: Killed",
  ];
  expect(lastWords(log("warned of something\n"), log(`${slurm.join("\n")}\n`))).toBe(slurm[0]);
  const kernel =
    "slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch. Some of the step tasks have been OOM Killed.";
  expect(lastWords(log(`${kernel}\nKilled\n`))).toBe(kernel);
});
