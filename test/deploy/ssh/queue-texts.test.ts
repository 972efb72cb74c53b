import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { askQueues, hereScripts, probeSite, type Scripts } from "../../../deploy/ssh/site/look.ts";
import { type SiteFacts, schedulersOf } from "../../../deploy/ssh/site/probe.ts";
import { durationOf } from "../../../deploy/ssh/site/queue.ts";
import { parseBqueues } from "../../../deploy/ssh/site/queues-others.ts";
import { parseQstat } from "../../../deploy/ssh/site/queues-pbs.ts";
import { parseSinfo } from "../../../deploy/ssh/site/queues-slurm.ts";
import { suggestConfig } from "../../../deploy/ssh/site/suggest.ts";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";

const here = await probeSite(hereScripts, undefined);
const site = (changes: Partial<SiteFacts>): SiteFacts => ({ ...here, ...changes });

describe("what a batch system says of its queues", () => {
  it("sinfo: partitions with their limits and their smallest nodes", () => {
    const text =
      "debug*|infinite|1|4|900|(null)|up\ndebug*|infinite|2|8+|1900|gpu:a100:4(S:0-1)|up\nshort|2:00|3|4|900|gpu:2|up\nold|1-00:00:00|9|4|900|(null)|down\n";
    expect(parseSinfo(text)).toMatchObject([
      { name: "debug", standard: true, open: true, walltimeMs: undefined, nodes: 3, cores: 4, memoryMb: 900, gpus: 0 },
      { name: "short", standard: false, walltimeMs: 120_000, nodes: 3, gpus: 2 },
      { name: "old", open: false, walltimeMs: 86_400_000 },
    ]);
  });

  it("qstat -Q -f of the real Torque", () => {
    const text = `Queue: batch
    queue_type = Execution
    total_jobs = 28
    state_count = Transit:0 Queued:0 Held:1 Waiting:0 Running:1 Exiting:0 Comp
\tlete:26 
    resources_default.nodes = 1
    resources_default.walltime = 01:00:00
    mtime = 1795410687
    resources_assigned.nodect = 1
    enabled = True
    started = True

Queue: small
    queue_type = Execution
    resources_max.walltime = 00:10:00
    mtime = 1795410687
    enabled = True
    started = False
`;
    expect(parseQstat(text)).toMatchObject([
      { name: "batch", open: true, walltimeMs: undefined },
      { name: "small", open: false, walltimeMs: 600_000 },
    ]);
  });

  it("bqueues -w, whatever its columns hold", () => {
    const text =
      "QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP  RSV PJOBS\npremium         100  Open:Active       -    -    -    -  9   3   6  0  0  0\nold 10 Closed:Inact - - - - 0 0 0 0 0 0\n";
    expect(parseBqueues(text)).toMatchObject([
      { name: "premium", open: true },
      { name: "old", open: false },
    ]);
  });

  it("reads durations as schedulers write them, and garbage as nothing", () => {
    expect(durationOf("2-12:30:00")).toBe(217_800_000);
    expect(durationOf("2-12")).toBe(216_000_000);
    expect(durationOf("30")).toBe(1_800_000);
    expect(durationOf("infinite")).toBeUndefined();
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200 }),
        (text) => void [parseSinfo(text), parseQstat(text), parseBqueues(text), durationOf(text)],
      ),
    );
  });

  it("makes a configuration that an endpoint takes", () => {
    const queues = parseSinfo("gpu|1-00:00:00|9|64|256000|gpu:4|up\ncpu*|30:00|9|128|512000|(null)|up\n");
    const facts = site({ scheduler: "slurm", commands: { sbatch: "/s", srun: "/s" }, proxy: "http://proxy:3128" });
    const text = suggestConfig("cluster", facts, { queues, accounts: ["m1"] });
    expect(text).toContain("# further queues: gpu");
    expect(parseConfig(text)).toMatchObject({
      config: {
        provider: { type: "slurm", queue: "cpu", account: "m1" },
        launcher: { type: "srun" },
        policy: { walltimeMs: 1_800_000 },
        node: { cores: 128, memoryMb: 486_400 },
        proxy: "http://proxy:3128",
      },
    });
    expect(
      parseConfig(suggestConfig("laptop", site({ scheduler: undefined }), { queues: [], accounts: [] })),
    ).toMatchObject({ config: { provider: { type: "local" } } });
  });
});

describe("a site that has the commands of several batch systems", () => {
  const both = site({ scheduler: "slurm", schedulers: ["slurm", "sge"] });
  const answering = (answers: Record<string, string>): Scripts => ({
    script: async (text) => ({ stdout: Object.entries(answers).find(([word]) => text.includes(word))?.[1] ?? "" }),
  });

  it("has the first one that answers", async () => {
    const asked = await askQueues(answering({ "qconf -sql": "qname all.q\n" }), both);
    expect(asked).toMatchObject({ scheduler: "sge", queues: { queues: [{ name: "all.q" }] } });
    const slurm = await askQueues(answering({ sinfo: "debug*|infinite|1|4|900|(null)|up" }), both);
    expect(slurm).toMatchObject({ scheduler: "slurm", queues: { queues: [{ name: "debug" }] } });
  });

  it("has the likeliest while none answers", async () => {
    expect(await askQueues(answering({}), both)).toMatchObject({ scheduler: "slurm", queues: { queues: [] } });
  });

  it("lists them, the likeliest first", () => {
    expect(schedulersOf({ sbatch: "/s", qsub: "/q", qconf: "/c", flux: "/f" }, "")).toEqual(["slurm", "sge", "flux"]);
    expect(schedulersOf({ qsub: "/q" }, "pbs_version = 23")).toEqual(["pbs"]);
    expect(schedulersOf({}, "")).toEqual([]);
  });
});
