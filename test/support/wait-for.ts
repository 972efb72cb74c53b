/** Waits for a condition, with a deadline. */

/** Resolves when `condition` holds; throws when it does not within `timeoutMs`. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 30_000, what = "it" }: { timeoutMs?: number; what?: string } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
