/** A Vitest reporter that ends the run with one plain line, `N passed, N failed`, for scripts that read it. */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export type Counts = { passed: number; failed: number; skipped: number };

/** Prints the closing line when the run ends. */
export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = modules.map(countModule).reduce(add, { passed: 0, failed: errors.length, skipped: 0 });
    process.stdout.write(`\n${closingLine(counts)}\n`);
  }
}

// Vitest takes the default export of a reporter file.
// biome-ignore lint/style/noDefaultExport: see above
export default ClosingLine;

/** `N passed, N failed`, and the skipped ones when there are any. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function countModule(module: TestModule): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state === "passed") counts.passed += 1;
    else if (state === "failed") counts.failed += 1;
    else counts.skipped += 1;
  }
  // a file that does not load, or whose hooks fail, has no failed test of its own
  if (counts.failed === 0 && module.state() === "failed") counts.failed = 1;
  return counts;
}

function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}
