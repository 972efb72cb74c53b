import { Farcall, TaskError } from "../sdk/index.ts";

await using farcall = new Farcall();

// An exception is an answer, so it is not repeated unless the caller asks. The delay doubles each time.
const flaky = farcall.function(
  async (marker: string) => {
    const { appendFile, readFile } = await import("node:fs/promises");
    await appendFile(marker, "x");
    const tries = (await readFile(marker, "utf8")).length;
    if (tries < 3) throw new RangeError(`try ${tries} fails`);
    return `try ${tries} succeeds`;
  },
  { name: "flaky" },
);
const marker = `${process.env.TMPDIR ?? "/tmp"}/farcall-retries-${process.pid}`;
console.log(await flaky.with({ retries: 5, retryDelayMs: 100 })(marker));

// A failure says what happened, where, and what to do next.
const stuck = farcall.function(() => new Promise(() => {}), { name: "stuck" });
try {
  await stuck.with({ timeoutMs: 500 })();
} catch (error) {
  if (!(error instanceof TaskError)) throw error;
  console.log(error.code, `after ${error.attempts.length} attempt:`, error.next);
}
