/**
 * Tests of the tests (FAULTS.md 2.6, 5): each mutant is put into a copy of the tree, and the test that is named beside it must fail.
 * The same tests pass before, or their failing would say nothing.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENDPOINT_MUTANTS, type Mutant } from "./endpoint.ts";

const MUTANTS: readonly Mutant[] = ENDPOINT_MUTANTS;
const root = new URL("../../../", import.meta.url).pathname;
let copy: string;
const caught: string[] = [];

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "farcall-mutants-"));
  // What git knows, as it is in the working tree.
  execFileSync(
    "sh",
    ["-c", 'git ls-files -z | tar --null --ignore-failed-read -cf - -T - | tar -xf - -C "$1"', "sh", copy],
    {
      cwd: root,
      stdio: ["ignore", "ignore", "ignore"],
    },
  );
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => {
  rmSync(copy, { recursive: true, force: true });
  console.log(`mutants caught: ${caught.length}/${MUTANTS.length}`);
});

/** Whether the tests pass in the copy; throws when none ran. */
function passes({ test, only }: Pick<Mutant, "test" | "only">): boolean {
  const json = join(copy, "outcome.json");
  const args = ["run", test, "-t", only.replace(/[()]/g, "."), "--reporter=json", `--outputFile=${json}`];
  const env = { ...process.env, CI: "", VITEST: undefined, VITEST_POOL_ID: undefined, VITEST_WORKER_ID: undefined };
  rmSync(json, { force: true });
  spawnSync(join(copy, "node_modules/.bin/vitest"), args, { cwd: copy, env, stdio: "ignore", timeout: 240_000 });
  const outcome = JSON.parse(readFileSync(json, "utf8")) as { numPassedTests: number; numFailedTests: number };
  if (outcome.numPassedTests + outcome.numFailedTests === 0) throw new Error(`no test of ${test} is called “${only}”`);
  return outcome.numFailedTests === 0;
}

describe("mutants", () => {
  it.each([...new Map(MUTANTS.map((mutant) => [`${mutant.test} -t ${mutant.only}`, mutant])).entries()])(
    "without one: %s",
    (_, mutant) => {
      expect(passes(mutant)).toBe(true);
    },
  );

  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    "is caught: %s",
    (name, { file, from, to, ...test }) => {
      const path = join(copy, file);
      const text = readFileSync(path, "utf8");
      expect(text.split(from), `where ${file} is to be changed`).toHaveLength(2);
      writeFileSync(
        path,
        text.replace(from, () => to),
      );
      try {
        expect(passes(test), `${test.test} passes all the same`).toBe(false);
        caught.push(name);
      } finally {
        writeFileSync(path, text);
      }
    },
  );
});
