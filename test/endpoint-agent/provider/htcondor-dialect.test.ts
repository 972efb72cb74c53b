/** The dialect of HTCondor, on recorded answers of 23.9.6. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ListedJob } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { createBatchProvider } from "../../../endpoint-agent/provider/batch/engine.ts";
import { htcondor } from "../../../endpoint-agent/provider/batch/htcondor.ts";
import { runCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import { wordsOf } from "../../../endpoint-agent/provider/batch/words.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";
import { job } from "./jobs.ts";
import { answer, recordings } from "./recordings.ts";

const { lists, history, submits } = recordings("htcondor");
const STATES = ["", "pending", "running", "running", "gone", "held", "running", "held"];

describe("HTCondor's queue", () => {
  for (const recorded of lists) {
    it(`reads: ${recorded.title}`, () => {
      const listed = htcondor.listed(recorded);
      if (recorded.code !== 0) return expect(listed).toBeUndefined();
      const wanted = recorded.jobs.map(([id, status]) => [id, STATES[Number(status)]]);
      expect(listed?.map(({ id, state }) => [id, state])).toEqual(wanted);
    });
  }

  const one = (ad: object) =>
    htcondor.listed(answer(JSON.stringify([{ ClusterId: 7, ProcId: 0, JobBatchName: "fcjob", ...ad }])))?.[0];

  it.each([
    [1, "pending"],
    [2, "running"],
    [3, "running"],
    [4, "gone"],
    [5, "held"],
    [6, "running"],
    [7, "held"],
  ])("understands status %i as %s", (status, state) => {
    expect(one({ JobStatus: status })).toMatchObject({ id: "7.0", name: "fcjob", state });
  });

  it("says nothing of a job in an unknown state", () => {
    for (const status of [0, 8, -1, 2.5, "2", null, true])
      expect(one({ JobStatus: status }), String(status)).toBeUndefined();
  });

  it("tells why a job is held: what failed is hopeless, what a person holds is not", () => {
    const held = (code: number) => one({ JobStatus: 5, HoldReasonCode: code, HoldReason: "because" });
    for (const code of [3, 6, 7, 13, 34, 46, 47])
      expect(held(code)).toMatchObject({ hopeless: true, reason: "held: because" });
    for (const code of [1, 15]) expect(held(code)?.hopeless).toBeUndefined();
  });

  it("reads an exit code only of what has ended: before, it is of an earlier start", () => {
    expect(one({ JobStatus: 1, ExitCode: 7 })).toEqual({ id: "7.0", name: "fcjob", state: "pending", reason: "idle" });
    expect(one({ JobStatus: 4, ExitCode: 7, ExitBySignal: false })?.reason).toBe("exit code 7");
    expect(one({ JobStatus: 4, ExitSignal: 11, ExitBySignal: true })).toMatchObject({ reason: "ended by signal 11" });
    expect(one({ JobStatus: 4, ExitSignal: 15, ExitBySignal: true })?.taken).toBe(true);
  });

  it("says nothing of what begins as one job and ends as another", () => {
    expect(one({ JobStatus: 4, ZFarcallName: "fcjob" })?.state).toBe("gone");
    expect(one({ JobStatus: 4, ZFarcallName: "fcother" })).toBeUndefined();
  });

  it("prints nothing when there is nothing, and nothing but JSON else", () => {
    expect(htcondor.listed(answer(""))).toEqual([]);
    for (const text of ["[", "{}", "null", "7", "[7]", "[[]]", "-- Schedd: vm\n"])
      expect(htcondor.listed(answer(text)), text).toBeUndefined();
  });
});

describe("HTCondor's history", () => {
  const ends: ListedJob[] = [];
  for (const recorded of history) {
    it(`reads: ${recorded.title}`, () => {
      const ended = htcondor.history?.parse(recorded);
      expect(ended?.map(({ id, state }) => [id, state])).toEqual(recorded.jobs.map(([id]) => [id, "gone"]));
      ends.push(...(ended ?? []));
    });
  }

  it("tells a removal from an end", () => {
    const byId = (id: string) => ends.find((end) => end.id === id);
    expect(byId("2.0")).toMatchObject({ reason: "exit code 3" });
    expect(byId("2.0")?.taken).toBeUndefined();
    expect(byId("52.0")).toMatchObject({ taken: true, reason: "via condor_rm (by user alice)" });
    expect(byId("66.0")?.reason).toContain("PeriodicRemove");
  });
});

describe("HTCondor's answers to condor_submit", () => {
  it.each(submits.map((recorded) => [recorded.argv.slice(0, 60), recorded.code, recorded] as const))(
    "takes the recorded `%s` (exit %s) for what it is",
    (_, code, recorded) => {
      const id = code === 0 ? htcondor.submitted(recorded) : undefined;
      // Of more than one job it is not for us to choose.
      const [, first, last] = /^(\d+\.\d+) - (\d+\.\d+)$/m.exec(recorded.stdout) ?? [];
      expect(id).toBe(code === 0 && first === last ? first : undefined);
      if (code !== 0 && code !== null) expect(wordsOf(["condor_submit"], recorded)).toMatch(/^condor_submit: \S/);
    },
  );
});

describe("HTCondor's submit description", () => {
  const description = (...args: Parameters<typeof job>) =>
    htcondor.description?.(job(...args), "/scratch/blocks/1/block.sh") ?? "";

  it("asks for what a block needs, and for a single start", () => {
    const shape = { gpusPerNode: 2, memoryMbPerNode: 1_000, walltimeMs: 60_000 };
    const lines = description(shape, {
      type: "htcondor",
      account: "lab.alice",
      constraint: "OpSysMajorVer==9&HasAVX",
      nodeType: "HasFat",
    }).split("\n");
    for (const line of [
      "executable = /scratch/blocks/1/block.sh",
      "initialdir = /scratch/blocks/1",
      'JobBatchName = "fcabcd0123456"',
      '+ZFarcallName = "fcabcd0123456"',
      "request_cpus = 4",
      "request_memory = 1000",
      "request_gpus = 2",
      "accounting_group = lab.alice",
      "requirements = (NumJobStarts =?= undefined || NumJobStarts == 0) && (HasFat) && (OpSysMajorVer==9 && HasAVX)",
      "periodic_remove = (JobStatus == 1 && NumJobStarts > 0) || (JobStatus == 2 && time() - EnteredCurrentStatus > 60)",
      "leave_in_queue = (JobStatus == 4) && (time() - EnteredCurrentStatus < 3600)",
      "kill_sig = SIGTERM",
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.filter((line) => /^queue/.test(line))).toEqual(["queue 1"]);
  });

  it("lets a directive add requirements, but not take ours away", () => {
    const text = description(
      {},
      { type: "htcondor", directives: ["Requirements = HasFat", "+ProjectName = lab", "request_cpus = 1"] },
    );
    expect(text).toContain("NumJobStarts == 0) && (HasFat)");
    expect(text.match(/^requirements/gim)).toHaveLength(1);
    expect(text.indexOf("request_cpus = 4")).toBeGreaterThan(text.indexOf("request_cpus = 1"));
  });

  it("refuses directives that are no assignments, as they would queue other jobs or include files", () => {
    for (const line of ["queue 5", "include : /etc/passwd", "queue", "x == 1"]) {
      expect(() => description({}, { type: "htcondor", directives: [line] }), line).toThrow("key = value");
    }
  });

  it("refuses blocks of several nodes", () => {
    expect(() => description({ nodes: 2 }, { type: "htcondor" })).toThrow("nodesPerBlock");
  });

  it("goes to condor_submit, and the script into a file of the block that only its user reads", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-condor-"));
    const ending = new AbortController();
    const inputs: string[] = [];
    const provider = createBatchProvider({
      dialect: htcondor,
      config: BatchConfig.parse({ type: "htcondor" }),
      endpoint: "site",
      node: { cores: 1, memoryMb: 1, gpus: 0 },
      dirOf: () => dir,
      logFileOf: () => join(dir, "log"),
      known: [],
      orphanTimeoutMs: 1_000,
      contactOf: () => undefined,
      run: async (argv, commandOptions) => {
        if (!argv[0]?.startsWith("condor_")) return runCommand(argv, commandOptions);
        if (argv[0] === "condor_submit") inputs.push(commandOptions.input);
        return answer(argv[0] === "condor_submit" ? "12.0 - 12.0\n" : "");
      },
      env: {},
      log: { warn() {} },
      signal: ending.signal,
    });
    const launch = ["/bin/true"];
    const request = {
      name: "b1",
      nodes: 1,
      walltimeMs: null,
      commands: [launch],
      launch,
      logFiles: [join(dir, "log")],
      env: {},
      dir,
    };
    expect(await provider.submit(request)).toBe("12.0/b1");
    const script = join(dir, "block.sh");
    await expect(provider.submit({ ...request, dir: "/no/such/place" })).rejects.toThrow(
      "its script cannot be written",
    );
    expect(inputs).toEqual([expect.stringContaining(`executable = ${script}\n`)]);
    expect(statSync(script).mode & 0o777).toBe(0o700);
    expect(readFileSync(script, "utf8")).toMatch(/^#!\/bin\/bash\n/);
    // As HTCondor starts it: with hardly any environment.
    execFileSync(script, { env: {} });
    expect(readFileSync(join(dir, "exit"), "utf8")).toContain("code=0");
    ending.abort();
    rmSync(dir, { recursive: true });
  });
});
