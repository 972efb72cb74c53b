/** The dialect of Grid Engine, on recorded answers of 8.1.9. */
import { describe, expect, it } from "vitest";
import { sge } from "../../../endpoint-agent/provider/batch/sge.ts";
import { accountMeaning, stateMeaning } from "../../../endpoint-agent/provider/batch/sge-states.ts";
import { wordsOf } from "../../../endpoint-agent/provider/batch/words.ts";
import { job } from "./jobs.ts";
import { answer, recordings } from "./recordings.ts";

const { lists, history, submits } = recordings("sge");
const STATES: Record<string, string> = {
  qw: "pending",
  Rq: "pending",
  t: "pending",
  hqw: "held",
  Eqw: "held",
  r: "running",
  dr: "running",
};

describe("Grid Engine's lists", () => {
  for (const recorded of lists) {
    it(`reads: ${recorded.title}`, () => {
      const listed = sge.listed(recorded);
      if (recorded.code !== 0) return expect(listed).toBeUndefined();
      const times = (id: string) => recorded.jobs.filter(([other]) => other === id).length;
      // Tasks of an array share its number, and are nobody's blocks.
      const ours = recorded.jobs.filter(([id]) => times(id) === 1);
      expect(listed?.map(({ id, state }) => [id, state])).toEqual(ours.map(([id, letters]) => [id, STATES[letters]]));
      for (const { id, name, reason, hopeless } of listed ?? []) {
        const letters = ours.find(([other]) => other === id)?.[1] as string;
        expect(name).not.toBe("");
        expect(reason).toContain(letters);
        expect(hopeless ?? false).toBe(letters === "Eqw");
      }
    });
  }

  it("reads names as they were, as far as it writes them so", () => {
    const names = lists.flatMap((recorded) => sge.listed(recorded) ?? []).map(({ name }) => name);
    expect(names).toContain("run-0123456789-0123456789-0123456789-0123456789-0123456789-x");
    // Its < comes as %lt;
    expect(names).toContain("a&b%lt;c>d'e\"f");
  });

  it.each([
    ["running", "r", "running"],
    ["running", "t", "pending"],
    ["running", "Rr", "running"],
    ["running", "Rt", "pending"],
    ["running", "hr", "running"],
    ["running", "s", "held"],
    ["running", "hs", "held"],
    ["running", "ts", "held"],
    ["running", "S", "held"],
    ["running", "tS", "held"],
    ["running", "T", "held"],
    ["running", "N", "held"],
    ["running", "Rs", "held"],
    ["running", "dr", "running"],
    ["running", "dt", "running"],
    ["running", "ds", "running"],
    ["running", "dRr", "running"],
    ["running", "dRS", "running"],
    ["pending", "qw", "pending"],
    ["pending", "hqw", "held"],
    ["pending", "hRqw", "held"],
    ["pending", "hRwq", "held"],
    ["pending", "Rq", "pending"],
    ["pending", "Eqw", "held"],
    ["pending", "Ehqw", "held"],
    ["pending", "EhRqw", "held"],
    ["pending", "dqw", "pending"],
    ["zombie", "z", "gone"],
  ])("in its part %s, understands %s as %s", (part, letters, state) => {
    const meaning = stateMeaning(letters, part);
    expect(meaning?.state).toBe(state);
    expect(meaning?.hopeless ?? false).toBe(letters.includes("E"));
    expect(meaning?.settled ?? false).toBe(state === "gone");
  });

  it("says nothing of a job whose state is unknown, or that is in another part than it says", () => {
    for (const [letters, part] of [
      ["x", "running"],
      ["", "running"],
      ["w", "pending"],
      ["qw", "running"],
      ["r", "pending"],
      ["r", "zombie"],
      ["zr", "zombie"],
      ["r", ""],
      ["r", "constructor"],
    ] as const) {
      expect(stateMeaning(letters, part), `${letters} ${part}`).toBeUndefined();
    }
  });

  it("knows an empty list from no answer", () => {
    const frame = (inner: string) =>
      answer(`<?xml version='1.0'?>\n<job_info  xmlns:xsd="http://x/qstat.xsd">${inner}</job_info>\n`);
    expect(sge.listed(frame("<queue_info></queue_info><job_info></job_info>"))).toEqual([]);
    expect(sge.listed(frame(""))).toBeUndefined();
    expect(sge.listed(frame("<queue_info></queue_info>"))).toBeUndefined();
    expect(
      sge.listed(answer("<?xml version='1.0'?>\n<unknown_jobs  xmlns:xsd=\"x\"></unknown_jobs>\n")),
    ).toBeUndefined();
    expect(sge.listed(answer(""))).toBeUndefined();
  });
});

describe("Grid Engine's accounting", () => {
  for (const recorded of history) {
    it(`reads: ${recorded.title}`, () => {
      const ended = sge.history?.parse(recorded);
      if (recorded.code !== 0) return expect(ended).toBeUndefined();
      const last = new Map((recorded.jobs as string[][]).map(([id, failed]) => [id, failed]));
      const over = [...last].filter(([, failed]) => !failed?.startsWith("25 ")).map(([id]) => id);
      expect(ended?.map(({ id, state }) => [id, state])).toEqual(over.map((id) => [id, "gone"]));
    });
  }

  it("reads `failed` before the exit status, and knows what the site did", () => {
    const cases: [string, string, object | undefined][] = [
      ["0", "3", { reason: "exit code 3" }],
      ["0", "137                  (Killed)", { reason: "exit code 137" }],
      ["0", "143", { taken: true }],
      ["100 : assumedly after job", "137                  (Killed)", { taken: true }],
      [
        "100 : assumedly after job",
        "139                  (Segmentation fault)",
        { reason: "exit code 139: assumedly after job (100)" },
      ],
      ["37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "7", { taken: true }],
      ["28  : changing into working directory", "0", { taken: true, reason: "changing into working directory (28)" }],
      ["19  : before writing exit_status", "0", { taken: true, unproven: true }],
      ["30  : application error returned", "100", { reason: "application error returned (30)" }],
      ["25  : rescheduling", "99", undefined],
    ];
    for (const [failed, status, wanted] of cases) {
      const meaning = accountMeaning(failed, status);
      if (wanted === undefined) expect(meaning, failed).toBeUndefined();
      else expect(meaning, failed).toMatchObject({ state: "gone", ...wanted });
    }
    expect(accountMeaning("0", "137")?.taken).toBeUndefined();
    expect(accountMeaning("100 : x", "139")?.taken).toBeUndefined();
    expect(accountMeaning("", "")).toBeUndefined();
  });

  it("takes the last record of a job: an earlier one may be of a start that was followed by another", () => {
    const record = (failed: string) =>
      `${"=".repeat(62)}\njobname      fcjob               \njobnumber    7\nfailed       ${failed}\nexit_status  0                   \n`;
    const past = (text: string) => sge.history?.parse(answer(text));
    expect(past(record("25  : rescheduling") + record("0    "))).toHaveLength(1);
    expect(past(record("0    ") + record("25  : rescheduling"))).toEqual([]);
    expect(past("Total System Usage\n")).toBeUndefined();
  });

  it("is asked for one job by its id, and for several by what their names have in common", () => {
    expect(sge.history?.command(["7"], "alice", ["farcall-ab-1"])).toEqual(["qacct", "-j", "7"]);
    expect(sge.history?.command(["7", "8"], "alice", ["farcall-ab-12", "farcall-ab-13"])).toEqual([
      "qacct",
      "-o",
      "alice",
      "-j",
      "farcall-ab-1*",
    ]);
  });
});

describe("Grid Engine's answers to qsub", () => {
  it.each(submits.map((recorded) => [recorded.argv.slice(0, 60), recorded.code, recorded] as const))(
    "takes the recorded `%s` (exit %s) for what it is",
    (argv, code, recorded) => {
      const id = code === 0 ? sge.submitted(recorded) : undefined;
      const plain = /^\d+$/.exec(recorded.stdout.trim())?.[0];
      expect(id).toBe(code === 0 ? plain : undefined);
      if (code !== 0 && code !== null) expect(wordsOf(["qsub"], recorded)).toMatch(/^qsub: \S/);
      if (argv.includes("-t 1-")) expect(id).toBeUndefined();
    },
  );
});

describe("Grid Engine's directives", () => {
  const lines = (...args: Parameters<typeof job>) =>
    sge.directives(job(...args)).map((line) => line.replace("#$ ", ""));

  it("writes what a block asks for", () => {
    const config = {
      type: "sge",
      parallelEnvironment: "mpi",
      queue: "all.q",
      account: "lab",
      reservation: "12",
      constraint: "arch=lx-amd64&infiniband=true",
      nodeType: "fat=true",
      directives: ["-l h_rt=5"],
    } as const;
    const shape = { nodes: 2, coresPerNode: 16, gpusPerNode: 2, memoryMbPerNode: 1_000 };
    expect(lines(shape, { ...config, directives: [...config.directives] })).toEqual([
      "-l h_rt=5",
      "-S /bin/sh",
      "-N fcabcd0123456",
      "-j y",
      "-o /scratch/blocks/1/log",
      "-m n",
      "-r n",
      "-notify",
      "-pe mpi 32",
      "-l h_rt=93630,mem_free=63M,gpu=2,arch=lx-amd64,infiniband=true,fat=true",
      "-q all.q",
      "-P lab",
      "-ar 12",
    ]);
  });

  it("gives the walltime in plain seconds, as it takes 5m for five million", () => {
    const text = lines({ coresPerNode: 1, walltimeMs: 300_500 }, { type: "sge" }).join("\n");
    expect(text).toContain("-l h_rt=301");
    expect(text).not.toContain("-pe");
  });

  it("needs a parallel environment for more than one slot, or a directive that asks for one", () => {
    expect(() => lines({}, { type: "sge" })).toThrow("parallelEnvironment");
    expect(lines({}, { type: "sge", directives: ["-pe smp 4"] }).filter((line) => line.startsWith("-pe"))).toEqual([
      "-pe smp 4",
    ]);
  });

  it("deletes without -f, which forgets jobs whose node does not answer", () => {
    expect(sge.cancel(["7", "8"], { force: true })).toEqual([["qdel", "7", "8"]]);
  });
});
