/** B10: spoilt answers of SGE, HTCondor, LSF and Flux. */
import { describe, expect, it } from "vitest";
import { flux } from "../../../endpoint-agent/provider/batch/flux.ts";
import { htcondor } from "../../../endpoint-agent/provider/batch/htcondor.ts";
import { lsf } from "../../../endpoint-agent/provider/batch/lsf.ts";
import { sge } from "../../../endpoint-agent/provider/batch/sge.ts";
import { answer, type RecordedList, recordings } from "./recordings.ts";
import { type Reader, spoiltAnswers } from "./spoilt.ts";

const read = (reader: Reader | undefined): Reader => reader as Reader;
const good = (lists: RecordedList[]) =>
  lists.filter(({ code, jobs }) => code === 0 && jobs.length > 0).map(({ stdout }) => stdout);
/** True entries have more fields: no few losses reach from one state to the next. */
const FILLER = "a field that nobody reads ".repeat(40);

const LSF = ["PEND", "RUN", "EXIT", "DONE", "PSUSP", "UNKWN"].map((word, i) => ({
  JOBID: String(11 + i),
  JOB_NAME: `fc${"abcdef"[i]}`,
  STAT: word,
  EXIT_CODE: word === "EXIT" ? "3" : "",
  EXIT_REASON: "",
  PEND_REASON: word === "PEND" ? FILLER : "",
  COMMAND: FILLER,
}));
const lsfJson = JSON.stringify({ COMMAND: "bjobs", JOBS: LSF.length, RECORDS: LSF }, null, 2);
const lsfLines = LSF.map((row) => `${row.JOBID}|${row.STAT}|${row.EXIT_CODE || "-"}|${row.JOB_NAME}\n`).join("");
const fluxLines = `JOBID|STATE|RESULT|RC|URG|EXCEPTION-TYPE|NAME|REASON|EXCEPTION-NOTE
17179869184|SCHED|||16||fca|${FILLER}|
17196646400|RUN|||16||fcb||${FILLER}
17213423616|INACTIVE|COMPLETED|0|16||fcc||${FILLER}
17230200832|INACTIVE|CANCELED|-128|16|cancel|fcd||${FILLER}
17246978048|CLEANUP||1|16||fce||${FILLER}
`;

/** As it prints what it is asked for. */
const condorAds = [
  { JobStatus: 1 },
  { JobStatus: 2, RemoteHost: "slot1@vm" },
  { ExitBySignal: false, ExitCode: 3, JobStatus: 4 },
  { HoldReason: "because", HoldReasonCode: 6, JobStatus: 5 },
  { ExitBySignal: true, ExitSignal: 15, JobStatus: 3, RemoveReason: "via condor_rm" },
].map((ad, i) => {
  const name = `fc${"abcde"[i]}`;
  const all = Object.entries({ ...ad, ClusterId: 7 + i, ProcId: 0, JobBatchName: name, ZFarcallName: name });
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
});
const condorJson = `[\n${condorAds.map((ad) => JSON.stringify(ad, null, 2)).join("\n,\n")}\n]\n`;

/** A letter that is lost turns hqw and Eqw into qw; neither is taken for a job that runs, or for its end. */
const roughly = (state: string) => (state === "held" || state === "pending" ? "waits" : state);

describe("B10: spoilt answers", () => {
  spoiltAnswers(
    [
      ["SGE's XML", read(sge.listed), good(recordings("sge").lists)],
      ["SGE's accounting", read(sge.history?.parse), good(recordings("sge").history)],
      ["LSF's JSON", read(lsf.listed), [lsfJson]],
      ["LSF's lines", read(lsf.plain?.listed), [lsfLines]],
      ["Flux's lines", read(flux.listed), [fluxLines]],
    ],
    roughly,
  );
  spoiltAnswers([
    ["HTCondor's queue", read(htcondor.listed), [condorJson]],
    ["HTCondor's history", read(htcondor.history?.parse), [condorJson]],
  ]);

  it("reads 10 MB, and a million letters without sense, in no time to speak of", () => {
    const row = (i: number) => `${i}|RUN|||16||fcjob||\n`;
    const head = fluxLines.slice(0, fluxLines.indexOf("\n") + 1);
    expect(flux.listed(answer(head + Array.from({ length: 400_000 }, (_, i) => row(i)).join("")))).toHaveLength(
      400_000,
    );
    for (const letter of ["|", "\n", "7", "=", "<", "[", " "]) {
      for (const listed of [
        sge.listed,
        sge.history?.parse,
        lsf.listed,
        lsf.plain?.listed,
        lsf.history?.parse,
        htcondor.listed,
      ]) {
        expect(listed?.(answer(letter.repeat(1_000_000))) ?? []).toEqual([]);
      }
      expect(flux.listed(answer(`${head}${letter.repeat(1_000_000)}\n`))).toEqual([]);
    }
  });
});
