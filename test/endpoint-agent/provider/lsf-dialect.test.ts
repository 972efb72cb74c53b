/** The dialect of LSF, on answers as IBM's documents and published ones show them: there is no recording. */
import { describe, expect, it } from "vitest";
import { lsf } from "../../../endpoint-agent/provider/batch/lsf.ts";
import { job } from "./jobs.ts";
import { answer } from "./recordings.ts";

type Row = Partial<
  Record<"JOBID" | "JOB_NAME" | "STAT" | "EXIT_CODE" | "EXIT_REASON" | "PEND_REASON" | "ERROR", unknown>
>;
const row = (fields: Row) => ({
  JOBID: "7",
  JOB_NAME: "fcjob",
  EXIT_CODE: "",
  EXIT_REASON: "",
  PEND_REASON: "",
  ...fields,
});
const json = (...records: object[]) =>
  answer(`${JSON.stringify({ COMMAND: "bjobs", JOBS: records.length, RECORDS: records }, null, 2)}\n`);
const one = (fields: Row) => lsf.listed(json(row(fields)))?.[0];

describe("LSF's list", () => {
  it.each([
    ["PEND", "pending"],
    ["PROV", "pending"],
    ["WAIT", "pending"],
    ["PSUSP", "held"],
    ["RUN", "running"],
    ["USUSP", "held"],
    ["SSUSP", "held"],
    ["UNKWN", "running"],
    ["ZOMBI", "gone"],
    ["DONE", "gone"],
    ["EXIT", "gone"],
    ["POST_DONE", "gone"],
    ["POST_ERR", "gone"],
  ])("understands %s as %s", (word, state) => {
    expect(one({ STAT: word })).toMatchObject({ id: "7", name: "fcjob", state });
  });

  it("does not take a node that does not answer for the end of its processes", () => {
    expect(one({ STAT: "UNKWN" })?.reason).toContain("does not answer");
    expect(one({ STAT: "ZOMBI" })).toMatchObject({ unproven: true, taken: true });
    expect(one({ STAT: "EXIT", EXIT_REASON: "TERM_REMOVE_HUNG_JOB: job removed from LSF" })?.unproven).toBe(true);
    expect(
      one({ STAT: "EXIT", EXIT_REASON: "TERM_FORCE_OWNER: job killed by owner without time for cleanup" })?.unproven,
    ).toBe(true);
  });

  it("tells why a job waits, and when it will wait for ever", () => {
    const why = "Candidate host pending reasons (0 of 4 hosts).\n  Closed by LSF administrator: 1 host;";
    expect(one({ STAT: "PEND", PEND_REASON: why })).toEqual({
      id: "7",
      name: "fcjob",
      state: "pending",
      reason: "PEND: Candidate host pending reasons (0 of 4 hosts). Closed by LSF administrator: 1 host",
    });
    expect(one({ STAT: "PEND", PEND_REASON: "Dependency condition invalid or never satisfied;" })?.hopeless).toBe(true);
    expect(one({ STAT: "PEND", PEND_REASON: "-" })?.reason).toBe("PEND: pending");
  });

  it("tells how a job ended: by itself, or by the site", () => {
    expect(one({ STAT: "DONE" })?.reason).toBe("exit code 0");
    expect(one({ STAT: "EXIT", EXIT_CODE: "3" })).toEqual({
      id: "7",
      name: "fcjob",
      state: "gone",
      reason: "exit code 3",
    });
    for (const [why, code] of [
      ["TERM_RUNLIMIT: job killed after reaching LSF run time limit", "140"],
      ["TERM_OWNER: job killed by owner", "130"],
      ["TERM_ADMIN: job killed by root or LSF administrator", "137"],
      ["TERM_PREEMPT: job killed after preemption", "130"],
      ["TERM_EXTERNAL_SIGNAL: job killed by a signal external to LSF", "143"],
      ["", ""],
    ] as const) {
      expect(one({ STAT: "EXIT", EXIT_CODE: code, EXIT_REASON: why }), why).toMatchObject({ taken: true });
    }
    for (const why of [
      "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
      "TERM_UNKNOWN: unknown reason",
    ]) {
      expect(one({ STAT: "EXIT", EXIT_CODE: "1", EXIT_REASON: why })?.taken, why).toBeUndefined();
    }
  });

  it("leaves out what is no job, and jobs that are there twice", () => {
    expect(lsf.listed(json({ JOBID: "9", ERROR: "Job <9> is not found" }, row({ STAT: "RUN" })))).toHaveLength(1);
    expect(lsf.listed(json(row({ STAT: "RUN" }), row({ STAT: "EXIT" })))).toEqual([]);
    expect(lsf.listed(json(row({ STAT: "NEW" }), { JOBID: 7, STAT: "RUN" }))).toEqual([]);
    expect(lsf.listed(answer('{"COMMAND":"bjobs","RECORDS":[null, 7, []]}'))).toEqual([]);
  });

  it("knows an empty list from no answer", () => {
    const none = { code: 255, stdout: "", stderr: "No job found\n" };
    expect(lsf.listed(none)).toEqual([]);
    expect(lsf.listed({ ...none, stderr: "No unfinished job found\n", code: 0 })).toEqual([]);
    expect(lsf.listed(json())).toEqual([]);
    expect(lsf.listed({ ...none, stdout: "7 RUN\n" })).toBeUndefined();
    expect(lsf.listed({ ...none, stderr: "LSF is down. Please wait ...\n" })).toBeUndefined();
    for (const text of ["", "{}", '{"COMMAND":"bjobs"}', '{"RECORDS":[]}', "[]", "null"]) {
      expect(lsf.listed(answer(text)), text).toBeUndefined();
    }
  });

  it("is asked for lines when its JSON cannot be read", () => {
    const text = "7|RUN|-|fcjob\n8|EXIT|3|fc two\n9|PEND|-|-\nbanner\n";
    expect(lsf.plain?.listed(answer(text))?.map(({ id, name, state, reason }) => [id, name, state, reason])).toEqual([
      ["7", "fcjob", "running", "RUN"],
      ["8", "fc two", "gone", "exit code 3"],
    ]);
    for (const cut of ["", "banner\n", "7|RUN|-|fcj"]) expect(lsf.plain?.listed(answer(cut)), cut).toBeUndefined();
  });
});

describe("LSF's history", () => {
  const block = (id: string, ...events: string[]) =>
    `\nJob <${id}>, Job Name <fc${id}>, User <alice>, Project <default>, Command <x>\n${events.map((event) => `Fri Dec 27 13:04:14 2013: ${event}`).join("\n")}\n\nSummary of time in seconds spent in various states by  Fri Dec 27 13:04:16\n  PEND     PSUSP    RUN\n`;
  const STARTED = [
    "Submitted from host <a>, to Queue <normal>;",
    "Dispatched 1 Task(s) on Host(s) <a>;",
    "Starting (Pid 4);",
  ];
  const past = (...blocks: string[]) => lsf.history?.parse(answer(blocks.join(`${"-".repeat(78)}\n`)));

  it("reads each end", () => {
    const ends = past(
      block("1", ...STARTED, "Done successfully. The CPU time used is 0.0 seconds;"),
      block("2", ...STARTED, "Exited with exit code 3. The CPU time used is 0.1 seconds;"),
      block(
        "3",
        ...STARTED,
        "Exited with exit code 140. The CPU time used is 0.1 seconds; TERM_RUNLIMIT: job killed after reaching LSF run time limit.",
      ),
      block("4", "Submitted from host <a>, to Queue <normal>;", "Exited; TERM_OWNER: job killed by owner."),
      block(
        "5",
        ...STARTED,
        "Exited by signal 9. The CPU time used is 0.1 seconds;",
        "Post job process done successfully;",
      ),
      block("6", ...STARTED),
      block("7", ...STARTED, "Exited with exit code 1. x;", "Pending: Job has been requeued;", "Starting (Pid 5);"),
    );
    expect(ends?.map(({ id, name, state, reason, taken }) => [id, name, state, reason, taken ?? false])).toEqual([
      ["1", "fc1", "gone", "exit code 0", false],
      ["2", "fc2", "gone", "exit code 3", false],
      ["3", "fc3", "gone", "exit code 140: TERM_RUNLIMIT: job killed after reaching LSF run time limit", true],
      ["4", "fc4", "gone", "TERM_OWNER: job killed by owner", true],
      ["5", "fc5", "gone", "ended by signal 9", false],
    ]);
  });

  it("says nothing when it knows nothing", () => {
    expect(past(block("6", ...STARTED))).toBeUndefined();
    expect(lsf.history?.parse({ code: 255, stdout: "", stderr: "No matching job found\n" })).toBeUndefined();
  });
});

describe("LSF's answers to bsub", () => {
  it("takes the id below the words of a site's filter, and nothing that only looks like one", () => {
    expect(lsf.submitted(answer("Job <123> is submitted to default queue <normal>.\n"))).toBe("123");
    expect(lsf.submitted(answer("esub: checked\nJob <123> is submitted to queue <batch>.\n"))).toBe("123");
    for (const text of [
      "",
      "Job <123>\n",
      "Job <12x> is submitted to queue <q>.\n",
      "Job <1> is submitted to queue <q>.\nJob not submitted.\n",
    ]) {
      expect(lsf.submitted(answer(text)), text).toBeUndefined();
    }
  });
});

describe("LSF's directives", () => {
  const lines = (...args: Parameters<typeof job>) =>
    lsf.directives(job(...args)).map((line) => line.replace("#BSUB ", ""));

  it("writes what a block asks for", () => {
    const config = { type: "lsf", queue: "batch", account: "lab", qos: "gold", reservation: "user1#0" } as const;
    const shape = { nodes: 2, coresPerNode: 16, gpusPerNode: 2, memoryMbPerNode: 1_000 };
    const more = { nodeType: "fat", constraint: "model==XeonGold&gpu", directives: ["-alloc_flags smt4"] };
    expect(lines(shape, { ...config, reservation: "user1", ...more })).toEqual([
      "-alloc_flags smt4",
      "-J fcabcd0123456",
      "-o /scratch/blocks/1/log",
      "-cwd /scratch/blocks/1",
      "-rn",
      "-n 32",
      '-R "span[ptile=16]"',
      '-R "rusage[mem=1000MB/host]"',
      '-R "select[fat && model==XeonGold && gpu]"',
      '-gpu "num=2"',
      "-W 26:01",
      "-x",
      "-q batch",
      "-P lab",
      "-sla gold",
      "-U user1",
    ]);
  });

  it("leaves the nodes to a directive that asks for them itself", () => {
    const text = lines({}, { type: "lsf", exclusive: false, directives: ["-nnodes 2"] }).join("\n");
    expect(text).not.toMatch(/-n \d|span|-x/);
  });

  it("ends jobs with a signal before it removes them, and never by forgetting them", () => {
    expect(lsf.cancel(["7"], { force: false })).toEqual([["bkill", "7"]]);
    expect(lsf.cancel(["7"], { force: true })).toEqual([
      ["bkill", "-s", "KILL", "7"],
      ["bkill", "7"],
    ]);
  });
});
