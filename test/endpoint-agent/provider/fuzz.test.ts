/** B10: spoilt answers of Torque, Moab and PBS. */
import { describe, expect, it } from "vitest";
import { moab } from "../../../endpoint-agent/provider/batch/moab.ts";
import { pbs } from "../../../endpoint-agent/provider/batch/pbs.ts";
import { torque } from "../../../endpoint-agent/provider/batch/torque.ts";
import { answer, recordings } from "./recordings.ts";
import { type Reader, type Subject, spoiltAnswers } from "./spoilt.ts";

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

const SUBJECTS: Subject[] = [
  ["Torque's XML", read(torque.listed), [...good("torque", /./), mixedXml]],
  ["Moab's XML", read(moab.listed), [MOAB]],
  ["PBS's JSON", read(pbs.listed), [...good("pbs", /json/), mixedJson]],
  ["PBS's text", read(pbs.plain?.listed), [...good("pbs", /-f \d/), mixedText]],
  ["PBS's history", read(pbs.history?.parse), [...good("pbs", /-f \d/), mixedText]],
];

describe("B10: spoilt answers", () => {
  spoiltAnswers(SUBJECTS);

  it("reads 10 MB of XML, and a million open brackets, in no time to speak of", () => {
    const one = "<Job><Job_Id>7.vm</Job_Id><Job_Name>fcjob</Job_Name><job_state>R</job_state></Job>";
    const many = Array.from({ length: 100_000 }, (_, i) => one.replace("7.vm", `${i}.vm`)).join("");
    expect(torque.listed(answer(`<Data>${many}</Data>`))).toHaveLength(100_000);
    expect(torque.listed(answer(`<Data>${"<".repeat(1_000_000)}`))).toBeUndefined();
    expect(torque.listed(answer(`<Data>${"<a ".repeat(300_000)}`))).toBeUndefined();
    expect(torque.listed(answer(`<Data>${"<a>".repeat(300_000)}`))).toBeUndefined();
  });
});
