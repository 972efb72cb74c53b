/** B10: what dialects make of spoilt answers. Nothing crashes, no job is in a state that the true answer does not show. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CommandOutput, ListedJob } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { moab } from "../../../endpoint-agent/provider/batch/moab.ts";
import { pbs } from "../../../endpoint-agent/provider/batch/pbs.ts";
import { torque } from "../../../endpoint-agent/provider/batch/torque.ts";
import { answer, recordings } from "./recordings.ts";

const RUNS = Number(process.env.FARCALL_FUZZ_RUNS ?? 3_000);

type Reader = (output: CommandOutput) => ListedJob[] | undefined;
const read = (reader: Reader | undefined): Reader => reader as Reader;

const MOAB = `<Data>
 <Object>queue</Object>
 <cluster LocalActiveNodes="2" time="1551959144"/>
 <queue count="1" option="active">
  <job GJID="Moab.7" JobID="Moab.7" JobName="fcrun" State="Running" User="bob"/>
 </queue>
 <queue count="1" option="blocked">
  <job BlockReason="IdlePolicy" Description="a &lt; b" GJID="Moab.8" JobID="Moab.8" JobName="fcwait" State="Idle" User="bob"/>
 </queue>
</Data>
`;
const good = (name: string, argv: RegExp) =>
  recordings(name)
    .lists.filter((recorded) => recorded.code === 0 && recorded.jobs.length > 0 && argv.test(recorded.argv))
    .map(({ stdout }) => stdout);

/** Jobs in different states, side by side: what is lost between two must not give one the state of the other. */
const MIXED = [
  { id: "11.vm", name: "fcone", letter: "Q" },
  { id: "12.vm", name: "fctwo", letter: "R" },
  { id: "13.vm", name: "fcthree", letter: "end", status: 271 },
  { id: "14.vm", name: "fcfour", letter: "H" },
  { id: "15.vm", name: "fcfive", letter: "E", status: 0 },
  { id: "16.vm", name: "fcsix", letter: "end", status: 0 },
];
/** True entries have two dozen fields more: no few losses reach from one state to the next. */
const FILLER = "a field that nobody reads ".repeat(40);
const letterOf = (letter: string, end: string) => (letter === "end" ? end : letter);
const element = (name: string, value: unknown) => (value === undefined ? "" : `<${name}>${value}</${name}>`);
const mixedXml = `<Data>${MIXED.map(({ id, name, letter, status }) =>
  element(
    "Job",
    element("Job_Id", id) +
      element("Job_Name", name) +
      element("job_state", letterOf(letter, "C")) +
      element("Error_Path", FILLER) +
      element("exit_status", status),
  ),
).join("")}</Data>`;
const mixedJson = JSON.stringify(
  {
    timestamp: 1,
    pbs_server: "vm",
    Jobs: Object.fromEntries(
      MIXED.map(({ id, name, letter, status }) => [
        id,
        { Job_Name: name, job_state: letterOf(letter, "F"), Error_Path: FILLER, Exit_status: status },
      ]),
    ),
  },
  null,
  4,
);
const mixedText = MIXED.map(
  ({ id, name, letter, status }) =>
    `Job Id: ${id}\n    Job_Name = ${name}\n    job_state = ${letterOf(letter, "F")}\n    Error_Path = ${FILLER}\n${status === undefined ? "" : `    Exit_status = ${status}\n`}\n`,
).join("");

const SUBJECTS: [string, Reader, string[]][] = [
  ["Torque's XML", read(torque.listed), [...good("torque", /./), mixedXml]],
  ["Moab's XML", read(moab.listed), [MOAB]],
  ["PBS's JSON", read(pbs.listed), [...good("pbs", /json/), mixedJson]],
  ["PBS's text", read(pbs.plain?.listed), [...good("pbs", /-f \d/), mixedText]],
  ["PBS's history", read(pbs.history?.parse), [...good("pbs", /-f \d/), mixedText]],
];

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

describe("B10: spoilt answers", () => {
  for (const [title, listed, texts] of SUBJECTS) {
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
            if (truth.has(key(job))) expect(job.state).toBe(truth.get(key(job)));
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

  it("reads 10 MB of XML, and a million open brackets, in no time to speak of", () => {
    const one = "<Job><Job_Id>7.vm</Job_Id><Job_Name>fcjob</Job_Name><job_state>R</job_state></Job>";
    const many = Array.from({ length: 100_000 }, (_, i) => one.replace("7.vm", `${i}.vm`)).join("");
    expect(torque.listed(answer(`<Data>${many}</Data>`))).toHaveLength(100_000);
    expect(torque.listed(answer(`<Data>${"<".repeat(1_000_000)}`))).toBeUndefined();
    expect(torque.listed(answer(`<Data>${"<a ".repeat(300_000)}`))).toBeUndefined();
    expect(torque.listed(answer(`<Data>${"<a>".repeat(300_000)}`))).toBeUndefined();
  });
});
