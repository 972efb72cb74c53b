import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CommandOutput, Job, ListedJob } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { slurm } from "../../../endpoint-agent/provider/batch/slurm.ts";
import { isHopeless, SLURM_CODES, SLURM_STATES } from "../../../endpoint-agent/provider/batch/slurm-states.ts";
import { wordsOf } from "../../../endpoint-agent/provider/batch/words.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";

type Answer = CommandOutput & { argv: string };
const recording = (name: string) => readFileSync(new URL(`./recordings/${name}`, import.meta.url), "utf8");
const rowsOf = (name: string) =>
  recording(name)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("|"));
const squeueRows = rowsOf("slurm-squeue.txt");
const sacctRows = rowsOf("slurm-sacct.txt");
const answers = JSON.parse(recording("slurm-answers.json")) as Answer[];
const HEADER = "JOBID|ST|STATE|REASON|START_TIME|NODELIST|NAME\n";
const list = (rows: string) => ok(`${HEADER}${rows}${rows === "" || rows.endsWith("\n") ? "" : "\n"}`);
const ok = (stdout: string): CommandOutput => ({ code: 0, stdout, stderr: "" });
/** A recorded row in the columns that the dialect asks for. */
const asked = ([id, code, state, reason, , nodes, name, , start]: string[]) =>
  [id, code, state, reason, start, nodes, name].join("|");

const job = (options: Partial<Job> = {}, config: Record<string, unknown> = {}): Job => ({
  name: "farcall-abcde-0123456789ab",
  nodes: 2,
  coresPerNode: 16,
  memoryMbPerNode: null,
  gpusPerNode: 0,
  walltimeMs: 90_000_000,
  logFile: "/home/alice/100%/0.log",
  options: BatchConfig.parse({ type: "slurm", ...config }),
  ...options,
});

describe("the dialect of Slurm", () => {
  it("reads every recorded row of squeue", () => {
    const listed = new Map(slurm.listed(list(squeueRows.map(asked).join("\n")))?.map((one) => [one.id, one]));
    const plain = squeueRows.filter(([id]) => /^\d+$/.test(id as string));
    expect(plain.length).toBeGreaterThan(90);
    for (const [id, , state] of plain) expect(listed.has(id as string), `${id} ${state}`).toBe(true);
    // Array tasks and parts of heterogeneous jobs are nobody's blocks.
    expect([...listed.keys()].filter((id) => !/^\d+$/.test(id))).toEqual([]);
  });

  it.each(squeueRows.filter(([id]) => /^\d+$/.test(id as string)).map((row) => [row[2], row[3], row] as const))(
    "understands %s (%s)",
    (state, reason, row) => {
      const [one] = slurm.listed(list(asked(row))) ?? [];
      expect(one).toMatchObject({ id: row[0], name: row[6], state: expected[state as string] });
      expect(one?.reason).toContain(state);
      const waits = one?.state === "pending" || one?.state === "held";
      if (waits && reason !== "None") expect(one?.reason).toContain(reason);
      expect(one?.hopeless ?? false).toBe(waits && hopeless.has(reason as string));
    },
  );

  it("reads every recorded end of sacct, and nothing else of it", () => {
    const text = sacctRows.map(([id, name, state, code]) => [id, state, code, "n1", name].join("|")).join("\n");
    const ends = slurm.history?.parse(ok(text)) ?? [];
    expect(ends.every(({ state }) => state === "gone")).toBe(true);
    expect(ends.find(({ id }) => id === "326")).toMatchObject({ name: "s-cancelpend", taken: true });
    expect(ends.find(({ id }) => id === "320")?.reason).toBe("FAILED (exit code 3:0)");
    expect(ends.find(({ id }) => id === "3")).toMatchObject({ unproven: true });
    const others = sacctRows.filter(
      ([id, , state]) => /\D/.test(id as string) || /PENDING|RUNNING|REQUEUED/.test(state as string),
    );
    expect(ends).toHaveLength(sacctRows.length - others.length);
  });

  it.each(answers.map((answer) => [answer.argv.slice(0, 60), answer.code, answer] as const))(
    "takes the recorded `%s` (exit %s) for what it is",
    (argv, code, answer) => {
      if (argv.startsWith("squeue")) expect(slurm.listed(answer)).toBeUndefined();
      else if (argv.startsWith("sacct")) expect(slurm.history?.parse(answer)).toBeUndefined();
      else if (code === 0) expect(slurm.submitted(answer)).toMatch(/^\d+$/);
      else expect(wordsOf(["sbatch"], answer)).toMatch(/^sbatch: \S/);
    },
  );

  it("takes the id of a submission, also with a cluster's name, and nothing that only looks like one", () => {
    expect(slurm.submitted(ok("123\n"))).toBe("123");
    expect(slurm.submitted(ok("123;west\n"))).toBe("123");
    for (const text of ["", "12 3\n", "job 123\n", "123\n456\n", "-1\n", "0x7\n"]) {
      expect(slurm.submitted(ok(text)), text).toBeUndefined();
    }
  });

  it("asks for epochs, of all this user's jobs, ended ones too, in one command", () => {
    expect(slurm.env).toEqual({ SLURM_TIME_FORMAT: "%s" });
    expect(slurm.list("alice")).toEqual(["squeue", "--me", "--states=all", "--format=%i|%t|%T|%r|%S|%N|%j"]);
    const [one] = slurm.listed(list("5|PD|PENDING|Resources|1795412155||x")) ?? [];
    expect(one?.reason).toBe("PENDING (Resources, expected to start 2026-11-23T05:35:55.000Z)");
  });

  it("B10: an answer without its heading is none, an empty list has one", () => {
    for (const text of [
      "",
      "\n",
      "<html></html>",
      "5|PD|PENDING|Resources|N/A||x\n",
      HEADER.slice(0, -3),
      `${HEADER}5|PD|PENDING|Res`,
    ]) {
      expect(slurm.listed(ok(text)), text).toBeUndefined();
    }
    expect(slurm.listed(list(""))).toEqual([]);
    expect(slurm.listed(ok(`Maintenance on Monday!\n${HEADER}5|PD|PENDING|Resources|N/A||x\n`))).toHaveLength(1);
  });

  it("writes what a block asks for, one option a line", () => {
    const config = {
      queue: "debug",
      account: "lab",
      qos: "high",
      reservation: "res1",
      constraint: "haswell|knl",
      nodeType: "gpu",
    };
    const lines = slurm.directives(
      job({ memoryMbPerNode: 2_000, gpusPerNode: 4 }, { ...config, directives: ["--mail-type=END"] }),
    );
    expect(lines.map((line) => line.replace("#SBATCH ", ""))).toEqual([
      "--job-name=farcall-abcde-0123456789ab",
      "--output=/home/alice/100%%/0.log",
      "--open-mode=append",
      "--nodes=2",
      "--ntasks-per-node=1",
      "--cpus-per-task=16",
      "--mem=2000M",
      "--gpus-per-node=4",
      "--time=1500",
      "--signal=B:USR1@120",
      "--partition=debug",
      "--account=lab",
      "--qos=high",
      "--reservation=res1",
      "--constraint=haswell|knl&gpu",
      "--no-requeue",
      "--exclusive",
      "--mail-type=END",
    ]);
    const short = slurm.directives(job({ walltimeMs: 61_000 }, { exclusive: false })).join("\n");
    expect(short).toMatch(/--time=2\n#SBATCH --signal=B:USR1@7\n#SBATCH --no-requeue$/);
    expect(slurm.directives(job({ walltimeMs: null })).join("\n")).not.toMatch(/--time|--signal/);
  });

  it("maps every documented state, and knows which limits never clear", () => {
    expect(Object.keys(SLURM_STATES).sort()).toEqual([...Object.keys(expected)].sort());
    for (const reason of [
      "Priority",
      "Resources",
      "QOSMaxJobsPerUserLimit",
      "AssocGrpCpuLimit",
      "AssocMaxJobsLimit",
      "QOSMaxCpuPerUserLimit",
      "ReqNodeNotAvail, UnavailableNodes:n3",
      "PartitionDown",
      "JobHeldUser",
      "QOSGrpNodeLimit",
    ]) {
      expect(isHopeless(reason), reason).toBe(false);
    }
    for (const reason of [
      "QOSMaxNodePerJobLimit",
      "QOSMaxWallDurationPerJobLimit",
      "AssocMaxCpuPerJobLimit",
      "QOSMinGRES",
      "QOSMaxMemoryPerNode",
      "InvalidQOS",
    ]) {
      expect(isHopeless(reason), reason).toBe(true);
    }
  });

  it("B10: no mutation of a list crashes it or gives one of our jobs a wrong state", () => {
    const states = Object.keys(SLURM_STATES);
    const ours = fc.array(
      fc.record({
        state: fc.constantFrom(...states),
        reason: fc.constantFrom("None", "Priority", "PartitionConfig", "ReqNodeNotAvail, UnavailableNodes:n3"),
      }),
      { minLength: 1, maxLength: 8 },
    );
    const mutation = fc.record({
      at: fc.nat(),
      length: fc.nat(60),
      text: fc.oneof(
        fc.constant(""),
        fc.string({ maxLength: 30 }),
        fc.constantFrom("\0", "\n", "|", "\u001b[31m", "<html>", "RUNNING", "COMPLETED"),
      ),
    });
    fc.assert(
      fc.property(ours, fc.array(mutation, { maxLength: 4 }), (jobs, mutations) => {
        const truth = new Map<string, Pick<ListedJob, "name" | "state">>();
        let text = jobs
          .map(({ state, reason }, i) => {
            truth.set(String(100 + i), { name: nameOf(i), state: (SLURM_STATES[state] as ListedJob).state });
            return `${100 + i}|${SLURM_CODES[state] ?? "XX"}|${state}|${reason}|N/A||${nameOf(i)}\n`;
          })
          .join("");
        for (const { at, length, text: inserted } of mutations) {
          const from = at % (text.length + 1);
          text = text.slice(0, from) + inserted + text.slice(from + length);
        }
        for (const one of slurm.listed(list(text)) ?? []) {
          const known = truth.get(one.id);
          if (known?.name !== one.name || one.state === known.state) continue;
          expect.fail(`${known.state} became ${one.state}: ${JSON.stringify(text)}`);
        }
        slurm.listed(ok(text));
        slurm.history?.parse(ok(text));
        slurm.submitted(ok(text));
      }),
      { numRuns: Number(process.env.FARCALL_FUZZ_RUNS ?? 20_000) },
    );
  });
});

const nameOf = (i: number) => `farcall-abcde-${String(i).repeat(12)}`;
const hopeless = new Set([
  "PartitionConfig",
  "PartitionNodeLimit",
  "PartitionTimeLimit",
  "BadConstraints",
  "DependencyNeverSatisfied",
  "JobHeldAdmin",
  "QOSMaxWallDurationPerJobLimit",
  "job requeued in held state",
]);
const expected: Record<string, ListedJob["state"]> = {
  ...of("pending", "PENDING CONFIGURING EXPEDITING POWER_UP_NODE REQUEUED REQUEUE_FED"),
  ...of("held", "REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT STOPPED SUSPENDED"),
  ...of("running", "RUNNING COMPLETING RESIZING SIGNALING STAGE_OUT UPDATE_DB"),
  ...of(
    "gone",
    "COMPLETED FAILED BOOT_FAIL LAUNCH_FAILED RECONFIG_FAIL OUT_OF_MEMORY CANCELLED DEADLINE PREEMPTED TIMEOUT NODE_FAIL REVOKED",
  ),
};

function of(state: ListedJob["state"], words: string) {
  return Object.fromEntries(words.split(" ").map((word) => [word, state]));
}
