/** B10: what dialects make of spoilt answers. Nothing crashes, no job is in a state that the true answer does not show. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { CommandOutput, ListedJob } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { answer } from "./recordings.ts";

const RUNS = Number(process.env.FARCALL_FUZZ_RUNS ?? 3_000);

export type Reader = (output: CommandOutput) => ListedJob[] | undefined;
/** Its name, what reads it, and good answers. */
export type Subject = [string, Reader, string[]];

/** Ways in which answers were seen to be spoilt. None of them writes another state letter. */
const damage = fc.oneof(
  fc.record({ how: fc.constant("cut" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ how: fc.constant("lost" as const), at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat(200) }),
  fc.record({
    how: fc.constant("put" as const),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    text: fc.oneof(
      fc.constantFrom(
        "\0",
        "\x1b[1m",
        "<html>",
        "</Data>",
        "<",
        "&",
        "{",
        "}",
        '"',
        "\n",
        "\r\n",
        "é",
        "\ufffd",
        "Job Id: \n",
      ),
      fc.string({ maxLength: 20, unit: "binary" }),
    ),
  }),
  fc.record({ how: fc.constant("twice" as const) }),
  fc.record({ how: fc.constant("banner" as const), text: fc.string({ maxLength: 80 }) }),
);

function spoil(text: string, faults: readonly (typeof damage extends fc.Arbitrary<infer T> ? T : never)[]): string {
  let spoilt = text;
  for (const fault of faults) {
    const at = "at" in fault ? Math.floor(fault.at * spoilt.length) : 0;
    if (fault.how === "cut") spoilt = spoilt.slice(0, at);
    else if (fault.how === "lost") spoilt = spoilt.slice(0, at) + spoilt.slice(at + fault.length);
    else if (fault.how === "put") spoilt = spoilt.slice(0, at) + fault.text + spoilt.slice(at);
    else if (fault.how === "twice") spoilt += spoilt;
    else spoilt = `${fault.text}\n${spoilt}`;
  }
  return spoilt;
}

/** Declares the tests of these subjects. `seen` is what of a state must stay as it was. */
export function spoiltAnswers(
  subjects: readonly Subject[],
  seen: (state: ListedJob["state"]) => string = (state) => state,
): void {
  for (const [title, listed, texts] of subjects) {
    it(`${title}: no crash, no wrong state, never gone by accident`, () => {
      expect(texts.length).toBeGreaterThan(0);
      const one = fc.record({
        text: fc.constantFrom(...texts),
        faults: fc.array(damage, { minLength: 1, maxLength: 3 }),
      });
      fc.assert(
        fc.property(one, ({ text, faults }) => {
          const key = ({ id, name }: ListedJob) => `${id} ${name}`;
          const truth = new Map(listed(answer(text))?.map((job) => [key(job), job.state]));
          for (const job of listed(answer(spoil(text, faults))) ?? []) {
            // An id that lost a digit, or that came to another's name, is nobody's: the engine asks for both.
            if (truth.has(key(job))) expect(seen(job.state)).toBe(seen(truth.get(key(job)) as ListedJob["state"]));
          }
        }),
        { numRuns: RUNS },
      );
    });

    it(`${title}: garbage lists nothing`, () => {
      const garbage = fc.oneof(
        fc.string({ maxLength: 400, unit: "binary" }),
        fc.constantFrom(
          "",
          "\n",
          "null",
          "[]",
          "{}",
          "<html><body>502</body></html>",
          "\0".repeat(4_096),
          "A".repeat(1_000_000),
        ),
      );
      fc.assert(
        fc.property(garbage, (text) => {
          expect(listed(answer(text)) ?? []).toEqual([]);
        }),
        { numRuns: Math.ceil(RUNS / 5) },
      );
    });

    it(`${title}: a command that failed or was ended lists nothing, whatever it printed`, () => {
      for (const text of texts) {
        for (const code of [null, 1, 111, 255]) expect(listed(answer(text, code))).toBeUndefined();
      }
    });
  }
}
