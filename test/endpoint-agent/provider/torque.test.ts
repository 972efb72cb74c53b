/** The dialects of Torque and Moab: on recorded answers of Torque 6.1.3, and on Moab's as documents show them. */
import { describe, expect, it } from "vitest";
import { moab } from "../../../endpoint-agent/provider/batch/moab.ts";
import { torque } from "../../../endpoint-agent/provider/batch/torque.ts";
import { job } from "./jobs.ts";
import { answer, recordings } from "./recordings.ts";

const { lists, submits } = recordings("torque");
const STATES: Record<string, string> = { Q: "pending", W: "pending", H: "held", R: "running", E: "running", C: "gone" };

describe("Torque's lists", () => {
  for (const recorded of lists) {
    it(`reads: ${recorded.title}`, () => {
      const listed = torque.listed(recorded);
      if (recorded.code !== 0) return expect(listed).toBeUndefined();
      expect(listed?.map(({ id, state }) => [id, state])).toEqual(
        recorded.jobs.map(([id, letter]) => [id, STATES[letter]]),
      );
      for (const [id, letter, status] of recorded.jobs) {
        const { reason, name } = listed?.find((one) => one.id === id) ?? {};
        expect(name).toMatch(/^\w+$/);
        if (letter === "C" && status !== undefined && Number(status) < 129) expect(reason).toContain(status);
        if (letter === "C" && status === undefined) expect(reason).toContain("deleted before it was started");
      }
    });
  }

  const ended = (status: string) =>
    torque.listed(answer(xml(`<job_state>C</job_state><exit_status>${status}</exit_status>`)))?.[0];

  it("says in words how a job ended", () => {
    expect(ended("271")).toMatchObject({ state: "gone", taken: true, reason: "ended by SIGTERM, as a cancel does it" });
    expect(ended("265")).toMatchObject({ taken: true, reason: "ended by SIGKILL, as a cancel does it" });
    expect(ended("-11")).toMatchObject({ taken: true, reason: "its walltime was over (-11)" });
    expect(ended("137")?.reason).toBe("its script was ended by SIGKILL");
    expect(ended("-10")).toMatchObject({ reason: "it used more memory than it may (-10)" });
    expect(ended("-10")?.taken).toBeUndefined();
    expect(ended("3")?.reason).toBe("exit code 3");
  });

  it("does not read the exit status of a job that lives: it is of an earlier start", () => {
    for (const [letter, state] of [
      ["R", "running"],
      ["Q", "pending"],
      ["E", "running"],
    ] as const) {
      const text = xml(`<job_state>${letter}</job_state><exit_status>-14</exit_status>`);
      expect(torque.listed(answer(text))?.[0]).toEqual({
        id: "7.vm",
        name: "fcjob",
        state,
        reason: expect.not.stringContaining("14"),
      });
    }
  });

  it("does not take a resource for a field of the job", () => {
    const text = xml("<Resource_List><job_state>C</job_state></Resource_List><job_state>R</job_state>");
    expect(torque.listed(answer(text))?.[0]?.state).toBe("running");
  });

  it("leaves out a job that is there twice, in an unknown state, or with two states", () => {
    const one = (state: string) => `<Job><Job_Id>7.vm</Job_Id><Job_Name>fcjob</Job_Name>${state}</Job>`;
    const data = (...jobs: string[]) => answer(`<?xml version="1.0"?>\n<Data>${jobs.join("")}</Data>\n`);
    expect(torque.listed(data(one("<job_state>R</job_state>"), one("<job_state>C</job_state>")))).toEqual([]);
    expect(torque.listed(data(one("<job_state>Z</job_state>")))).toEqual([]);
    expect(torque.listed(data(one("<job_state>R</job_state><job_state>C</job_state>")))).toEqual([]);
  });

  it("knows an empty list from no answer", () => {
    expect(torque.listed(answer('<?xml version="1.0"?>\n<Data></Data>\n'))).toEqual([]);
    for (const text of [
      "",
      "\n",
      "<Data>",
      '<?xml version="1.0"?>\n',
      "<Data></Data><Data></Data>",
      "<Data>x</Data>",
    ]) {
      expect(torque.listed(answer(text)), text).toBeUndefined();
    }
  });
});

describe("Torque's answers to qsub", () => {
  for (const recorded of submits) {
    it(`${recorded.argv.slice(0, 60)} (${recorded.code})`, () => {
      const id = recorded.code === 0 ? torque.submitted(recorded) : undefined;
      expect(id).toBe(/^\d+(\.\S+)?$/.test(recorded.stdout.trim()) ? recorded.stdout.trim() : undefined);
    });
  }

  it("finds the id below the words of a site's filter", () => {
    expect(torque.submitted(answer("Checking allocation ... ok\n\n123.bw\n"))).toBe("123.bw");
    expect(torque.submitted(answer("Your job 123 was refused\n"))).toBeUndefined();
  });
});

describe("Torque's directives", () => {
  it("asks for nodes in one line, and for the walltime in another", () => {
    const lines = torque.directives(
      job({ nodes: 2, coresPerNode: 32, gpusPerNode: 1, memoryMbPerNode: 1_000 }, { type: "torque", nodeType: "xe" }),
    );
    expect(lines).toContain("#PBS -l nodes=2:ppn=32:gpus=1:xe");
    expect(lines).toContain("#PBS -l walltime=26:00:30");
    expect(lines).toContain("#PBS -l mem=2000mb");
    expect(lines.filter((line) => line.includes("nodes="))).toHaveLength(1);
    expect(lines.some((line) => /-V\b/.test(line))).toBe(false);
  });

  it("leaves the nodes to a directive that asks for them itself", () => {
    const lines = torque.directives(job({}, { type: "torque", directives: ["-l nodes=1:ppn=16:xk+1:ppn=32:xe"] }));
    expect(lines.filter((line) => line.includes("nodes="))).toEqual(["#PBS -l nodes=1:ppn=16:xk+1:ppn=32:xe"]);
  });

  it("names queue, account, qos, reservation and features", () => {
    const lines = torque.directives(
      job(
        {},
        { type: "torque", queue: "debug", account: "bazz", qos: "low", reservation: "r.1", constraint: "big&fast" },
      ),
    );
    for (const text of ["-q debug", "-A bazz", "-l qos=low", "-l advres=r.1", "-l nodes=1:ppn=4:big:fast"]) {
      expect(lines).toContain(`#PBS ${text}`);
    }
  });
});

describe("Moab", () => {
  const data = (queues: string) => answer(`<Data>\n <Object>queue</Object>\n <cluster time="1"/>\n${queues}</Data>\n`);
  const row = (state: string, more = "") =>
    `<job GJID="Moab.7" JobID="Moab.7" JobName="fcjob" ${more} State="${state}" User="bob"/>`;
  const states = {
    Idle: "pending",
    Running: "running",
    Starting: "pending",
    BatchHold: "held",
    Deferred: "held",
    Removed: "gone",
  };
  for (const [word, state] of Object.entries(states)) {
    it(`reads ${word} as ${state}`, () => {
      const list = moab.listed(data(`<queue count="1" option="active">\n${row(word)}\n</queue>`));
      expect(list?.map((one) => [one.id, one.name, one.state])).toEqual([["Moab.7", "fcjob", state]]);
    });
  }

  it("tells why a job is blocked", () => {
    const more = 'BlockReason="IdlePolicy" Description="job 7 violates idle HARD MAXIPROC limit of 800 &lt;x&gt;"';
    const list = moab.listed(data(`<queue count="1" option="blocked">${row("Idle", more)}</queue>`));
    expect(list?.[0]?.reason).toBe("Idle: IdlePolicy: job 7 violates idle HARD MAXIPROC limit of 800 <x>");
  });

  it("reads how a job ended", () => {
    const past = (code: string) =>
      moab.history?.parse(
        data(`<queue option="completed">${row("Completed", `CompletionCode="${code}"`)}</queue>`),
      )?.[0];
    expect(past("0")).toMatchObject({ state: "gone", reason: "Completed: exit code 0" });
    expect(past("CNCLD(271)")).toMatchObject({ taken: true });
    expect(past("CNCLD")).toMatchObject({ taken: true, reason: "Completed" });
  });

  it("knows an empty list from no answer", () => {
    expect(moab.listed(data('<queue count="0" option="active"/><queue count="0" option="eligible"/>'))).toEqual([]);
    expect(moab.listed(data(""))).toBeUndefined();
    expect(
      moab.listed(answer("ERROR:  client timed out after 30 seconds (hostname:port=mg1:42559)\n")),
    ).toBeUndefined();
  });

  it("takes every form of the id that msub gives", () => {
    for (const [text, id] of [
      ["\nMoab.12\n", "Moab.12"],
      ["\n546324\n", "546324"],
      ["\nyuby.3\n", "yuby.3"],
      ["123.bw\n", "123"],
    ] as const) {
      expect(moab.submitted(answer(text))).toBe(id);
    }
    expect(moab.submitted(answer("\n"))).toBeUndefined();
  });
});

function xml(fields: string): string {
  return `<?xml version="1.0"?>\n<Data><Job><Job_Id>7.vm</Job_Id><Job_Name>fcjob</Job_Name>${fields}</Job></Data>\n`;
}
