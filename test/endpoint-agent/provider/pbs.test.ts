/** The dialect of PBS on recorded answers of OpenPBS: the release 23.06.06, and the master of 2026. */
import { describe, expect, it } from "vitest";
import { pbs } from "../../../endpoint-agent/provider/batch/pbs.ts";
import { job } from "./jobs.ts";
import { answer, recordings } from "./recordings.ts";

const { lists, submits } = recordings("pbs");
const STATES: Record<string, string> = {
  Q: "pending",
  H: "held",
  R: "running",
  B: "running",
  E: "running",
  S: "held",
  F: "gone",
  X: "gone",
};

describe("PBS's lists", () => {
  for (const recorded of lists) {
    const past = / -x /.test(recorded.argv) && recorded.form === "text";
    it(`reads the ${recorded.form} of ${recorded.title}: ${recorded.argv} (${recorded.code})`, () => {
      const read = recorded.form === "json" ? pbs.listed : past ? pbs.history?.parse : pbs.plain?.listed;
      const listed = read?.(recorded);
      if (recorded.code !== 0 || (recorded.form === "json" && !recorded.valid)) return expect(listed).toBeUndefined();
      expect(listed?.map(({ id, state }) => [id, state])).toEqual(
        recorded.jobs.map(([id, letter]) => [id, STATES[letter]]),
      );
      for (const [id, letter, status] of recorded.jobs) {
        const reason = listed?.find((one) => one.id === id)?.reason ?? "";
        if (letter === "F" && status !== undefined && Number(status) < 129) expect(reason).toContain(status);
        if (letter !== "F" && letter !== "X" && status !== undefined) expect(reason).not.toContain(status);
      }
    });
  }

  const ended = (status: number | undefined, comment?: string) =>
    pbs.listed(answer(json({ job_state: "F", Exit_status: status, comment })))?.[0];

  it("says in words how a job ended", () => {
    expect(ended(271)).toMatchObject({ state: "gone", taken: true, reason: "ended by SIGTERM, as a cancel does it" });
    expect(ended(-29)).toMatchObject({ taken: true, reason: "its walltime was over (-29)" });
    expect(ended(2)).toEqual({ id: "7.head", name: "fcjob", state: "gone", reason: "exit code 2" });
    expect(ended(undefined, "Can Never Run: too big and terminated")).toMatchObject({ taken: true, reason: /Never/ });
  });

  it("does not take a job whose node was lost for one whose processes have ended", () => {
    expect(ended(-20)).toMatchObject({ state: "gone", unproven: true });
  });

  it("does not read the exit status of a job that lives", () => {
    const listed = pbs.listed(answer(json({ job_state: "Q", Exit_status: -20 })));
    expect(listed?.[0]).toEqual({ id: "7.head", name: "fcjob", state: "pending", reason: "queued" });
  });

  it("tells what waits from what will never start", () => {
    const reasons = (comment: string) => pbs.listed(answer(json({ job_state: "Q", comment })))?.[0];
    expect(reasons("Not Running: Not enough free nodes available")?.hopeless).toBeUndefined();
    expect(reasons("Can Never Run: Insufficient amount of resource: ncpus (R: 400 A: 8 T: 8)")?.hopeless).toBe(true);
    expect(reasons("Not Running: Queue not started.")).toMatchObject({ reason: "Not Running: Queue not started." });
  });

  it("reads names that PBS prints as numbers", () => {
    expect(pbs.listed(answer(json({ Job_Name: 123, job_state: "R" })))?.[0]?.name).toBe("123");
  });

  it("knows an empty queue from a server that is down, by the exit code alone", () => {
    const empty = '{\n    "timestamp":1795411993,\n    "pbs_version":"23.06.06",\n    "pbs_server":"head"\n}';
    expect(pbs.listed(answer(empty))).toEqual([]);
    expect(pbs.listed(answer(empty, 255))).toBeUndefined();
    for (const text of ["", "{}", "[]", "null", '{"Jobs":{}}', empty.slice(0, 60)]) {
      expect(pbs.listed(answer(text)), text).toBeUndefined();
    }
  });

  it("falls back to text when somebody's job is called nan", () => {
    const spoilt = json({ Job_Name: "@", job_state: "H" }).replace('"@"', "nan");
    expect(pbs.listed(answer(spoilt))).toBeUndefined();
    const text = "Job Id: 7.head\n    Job_Name = nan\n    job_state = H\n    Hold_Types = u\n\n";
    expect(pbs.plain?.listed(answer(text))).toEqual([
      { id: "7.head", name: "nan", state: "held", reason: "held by its user" },
    ]);
  });

  it("believes nothing of a job whose variables look like fields, or like jobs of their own", () => {
    const forged =
      "Job Id: 7.head\n    Job_Name = fcjob\n    job_state = R\n    Variable_List = A=x\n    job_state = F\n\n";
    expect(pbs.plain?.listed(answer(forged))).toEqual([]);
    const twice = `${forged}Job Id: 8.head\n    Job_Name = a\n    job_state = R\n    Variable_List = A=\nJob Id: 7.head\n    Job_Name = fcjob\n    job_state = F\n\n`;
    expect(pbs.plain?.listed(answer(twice))?.map(({ id }) => id)).toEqual(["8.head"]);
  });

  it("asks the history for those that it knows, and believes only ends", () => {
    expect(pbs.history?.command(["1.head", "2.head"], "bob")).toEqual(["qstat", "-x", "-f", "1.head", "2.head"]);
    const text = "Job Id: 7.head\n    Job_Name = fcjob\n    job_state = F\n    Exit_status = 2\n\n";
    expect(pbs.history?.parse(answer(text, 153))).toMatchObject([{ id: "7.head", reason: "exit code 2" }]);
    expect(pbs.history?.parse(answer("", 153))).toEqual([]);
    expect(pbs.history?.parse(answer("", 255))).toBeUndefined();
  });
});

describe("PBS's answers to qsub", () => {
  for (const recorded of submits) {
    it(`${recorded.argv.slice(0, 60)} (${recorded.code})`, () => {
      const id = recorded.code === 0 ? pbs.submitted(recorded) : undefined;
      const expected = recorded.code === 0 && /^\d+\.\S+$/.test(recorded.stdout.trim());
      expect(id).toBe(expected ? recorded.stdout.trim() : undefined);
    });
  }
});

describe("PBS's directives", () => {
  it("asks for chunks, one a node, of whole nodes", () => {
    const lines = pbs.directives(
      job(
        { nodes: 2, coresPerNode: 28, gpusPerNode: 2, memoryMbPerNode: 1_000 },
        { type: "pbs", nodeType: "model=bro", constraint: "bigmem" },
      ),
    );
    expect(lines).toContain("#PBS -l select=2:ncpus=28:mpiprocs=1:ngpus=2:mem=1000mb:model=bro:bigmem=True");
    expect(lines).toContain("#PBS -l place=scatter:excl");
    expect(lines).toContain("#PBS -l walltime=26:00:30");
    expect(lines.some((line) => /-V\b/.test(line))).toBe(false);
  });

  it("takes a reservation for a queue, and leaves the chunks to a directive that asks for them itself", () => {
    const config = {
      type: "pbs",
      queue: "workq",
      reservation: "R1",
      directives: ["-l select=1:ncpus=2+1:ncpus=4"],
    } as const;
    const lines = pbs.directives(job({}, { ...config, directives: [...config.directives] }));
    expect(lines.filter((line) => /-q|select|place/.test(line))).toEqual([
      "#PBS -l select=1:ncpus=2+1:ncpus=4",
      "#PBS -q R1",
    ]);
  });
});

function json(fields: Record<string, unknown>): string {
  const jobs = { "7.head": { Job_Name: "fcjob", ...fields } };
  return JSON.stringify({ timestamp: 1, pbs_version: "23.06.06", pbs_server: "head", Jobs: jobs }, null, 4);
}
