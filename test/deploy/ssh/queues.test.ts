/** What doctor makes of the answers of each batch system; those of Slurm, Torque, PBS, SGE and HTCondor are recorded ones. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hereScripts, probeSite } from "../../../deploy/ssh/site/look.ts";
import { quotaOf, type SiteFacts } from "../../../deploy/ssh/site/probe.ts";
import type { QueueFacts } from "../../../deploy/ssh/site/queue.ts";
import { ASKING } from "../../../deploy/ssh/site/queues.ts";
import { suggestConfig } from "../../../deploy/ssh/site/suggest.ts";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";
import { DIALECTS } from "../../../endpoint-agent/provider/batch/dialects.ts";

const here = await probeSite(hereScripts, undefined);
const parse = (scheduler: string, ...sections: string[]) => ASKING[scheduler]?.parse(sections) as QueueFacts;

/** What would be printed, as the endpoint takes it. */
function configOf(scheduler: string, found: QueueFacts, facts: Partial<SiteFacts> = {}) {
  const site = { ...here, scheduler, commands: {}, proxy: undefined, address: "10.1.2.3", ...facts };
  const text = suggestConfig("cluster", site, found);
  const parsed = parseConfig(text);
  if (!("config" in parsed)) throw new Error(`${JSON.stringify(parsed)} of\n${text}`);
  return parsed.config;
}

const PARTITIONS = [
  "PartitionName=debug AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=YES RootOnly=NO MaxNodes=UNLIMITED MaxTime=UNLIMITED State=UP",
  "PartitionName=short AllowGroups=ALL AllowAccounts=ALL Default=NO RootOnly=NO MaxNodes=1 MaxTime=00:30:00 State=UP",
  "PartitionName=physics AllowGroups=ALL AllowAccounts=phys,astro RootOnly=NO MaxNodes=UNLIMITED State=UP",
  "PartitionName=admin AllowGroups=wheel AllowAccounts=ALL RootOnly=NO MaxNodes=UNLIMITED State=UP",
].join("\n");
const SINFO =
  "debug*|infinite|2|2|1000|(null)|up\nshort|30:00|4|2|1000|(null)|up\nphysics|infinite|9|2|1000|(null)|up\nadmin|infinite|2|2|1000|(null)|up\npdrain|infinite|3|2|4000|(null)|drain";

describe("Slurm", () => {
  it("queues are closed to those whom their lists leave out, and have the nodes that one job may take", () => {
    const found = parse("slurm", SINFO, "chem\nbio", PARTITIONS, "users chem", "chem");
    expect(found.queues.map(({ name, open, nodes }) => [name, open, nodes])).toEqual([
      ["debug", true, 2],
      ["short", true, 1],
      ["physics", false, 9],
      ["admin", false, 2],
      ["pdrain", false, 3],
    ]);
    expect(found.queues[2]?.access).toBe("only accounts phys, astro");
    expect(configOf("slurm", found, { commands: { srun: "/usr/bin/srun" } })).toMatchObject({
      provider: { type: "slurm", queue: "debug", account: "chem" },
      launcher: { type: "srun" },
      node: { cores: 2, memoryMb: 950 },
    });
  });

  it("without accounting no account is known, so that none is missing", () => {
    const found = parse("slurm", SINFO, "", PARTITIONS, "users wheel", "");
    expect(found.queues.filter(({ open }) => open).map(({ name }) => name)).toEqual([
      "debug",
      "short",
      "physics",
      "admin",
    ]);
    expect(found.standardAccount).toBeUndefined();
  });

  it("of a controller that does not answer nothing is known, and the configuration says so little", () => {
    expect(configOf("slurm", parse("slurm", ""))).toMatchObject({ provider: { type: "slurm" } });
  });
});

const TORQUE_QUEUES = `Queue: batch
    queue_type = Execution
    state_count = Transit:0 Queued:0 Held:1 Waiting:0 Running:1 Exiting:0 Comp
\tlete:26 
    resources_default.walltime = 01:00:00
    enabled = True
    started = True

Queue: small
    queue_type = Execution
    acl_user_enable = True
    acl_users = alice@vm,carol
    resources_max.walltime = 00:10:00
    enabled = True
    started = True`;
const TORQUE_NODE = `vm
     state = free
     power_state = Running
     np = 4
     properties = xe
     jobs = 0-1/86.vm
     status = opsys=linux,totmem=24684092kb,physmem=24684092kb,ncpus=2,loadave=2.23

dead
     state = down
     np = 1`;

describe("Torque and PBS", () => {
  it("Torque: the default queue, who may use which, and what the least node that is up has", () => {
    const found = parse("torque", TORQUE_QUEUES, "Server: vm\n    default_queue = batch\n", TORQUE_NODE, "bob\nusers");
    expect(found.queues).toMatchObject([
      { name: "batch", standard: true, open: true },
      { name: "small", standard: false, open: false, access: "only users alice@vm, carol", walltimeMs: 600_000 },
    ]);
    expect(found.node).toEqual({ count: 1, cores: 4, memoryMb: 24_105, gpus: 0 });
    const mine = parse("torque", TORQUE_QUEUES, "", "", "carol\nusers");
    expect(mine.queues[1]?.open).toBe(true);
    expect(configOf("torque", found, { commands: { aprun: "/a", mpiexec: "/m" } })).toMatchObject({
      provider: { type: "torque", queue: "batch" },
      launcher: { type: "aprun" },
      node: { cores: 4, memoryMb: 22_899 },
    });
  });

  it("PBS: what nodes have is what they offer", () => {
    const node =
      "pbs-head-node-01\n     state = free\n     pcpus = 2\n     resources_available.mem = 24684092kb\n     resources_available.ncpus = 8\n     resources_assigned.ncpus = 1";
    const found = parse("pbs", TORQUE_QUEUES, "    default_queue = batch", node, "carol");
    expect(found.node).toEqual({ count: 1, cores: 8, memoryMb: 24_105, gpus: 0 });
    expect(configOf("pbs", found)).toMatchObject({ provider: { type: "pbs", queue: "batch" }, node: { cores: 8 } });
  });
});

describe("Grid Engine", () => {
  const queue = (h_rt: string, more = "") =>
    `qname                 all.q\nhostlist              @allhosts\nqtype                 BATCH INTERACTIVE\npe_list               smp\nslots                 4\nuser_lists            NONE\nprojects              NONE\nxuser_lists           NONE\ninitial_state         default\nh_rt                  ${h_rt}\n${more}`;
  const qhost =
    "HOSTNAME                ARCH         NCPU NSOC NCOR NTHR  LOAD  MEMTOT  MEMUSE  SWAPTO  SWAPUS\n----------------------------------------------------------------------------------------------\nglobal                  -               -    -    -    -     -       -       -       -       -\nvm                      lx-amd64        2    1    2    2  2.09   23.5G  872.3M     0.0     0.0";
  const smp = "pe_name            smp\nslots              999\nallocation_rule    $pe_slots";
  const mpi = "pe_name            mpi\nslots              999\nallocation_rule    $round_robin";

  it("limits in each of their forms, hosts, and a parallel environment that gives one host's slots", () => {
    expect(parse("sge", queue("INFINITY")).queues[0]?.walltimeMs).toBeUndefined();
    expect(parse("sge", queue("3600")).queues[0]?.walltimeMs).toBe(3_600_000);
    expect(parse("sge", queue("24:00:00,[h1=01:00:00]")).queues[0]?.walltimeMs).toBe(86_400_000);
    const found = parse("sge", queue("00:30:00"), `${mpi}\n${smp}`, qhost);
    expect(found.node).toEqual({ count: 1, cores: 2, memoryMb: 24_064, gpus: 0 });
    expect(configOf("sge", found)).toMatchObject({
      provider: { type: "sge", queue: "all.q", parallelEnvironment: "smp" },
      policy: { walltimeMs: 1_800_000 },
      node: { cores: 4 },
    });
  });

  it("without a parallel environment a block is one slot", () => {
    expect(configOf("sge", parse("sge", queue("INFINITY"), "", qhost))).toMatchObject({ node: { cores: 1 } });
  });

  it("a queue for interactive jobs alone is none, and who may use one is said", () => {
    const found = parse(
      "sge",
      queue("INFINITY")
        .replace("BATCH ", "")
        .replace(/user_lists +NONE/, "user_lists  staff"),
    );
    expect(found.queues[0]).toMatchObject({ open: false, access: "only members of staff" });
  });
});

describe("HTCondor, LSF and Flux", () => {
  it("HTCondor: the machines of the pool, each once, and no queue", () => {
    const found = parse("htcondor", "vm 8 24105 undefined\nvm 8 24105 undefined\ngpu1 64 256000 4");
    expect(found).toMatchObject({ queues: [], node: { count: 2, cores: 8, memoryMb: 24_105, gpus: 0 } });
    expect(configOf("htcondor", found, { commands: { mpiexec: "/m" } })).toMatchObject({
      provider: { type: "htcondor" },
      launcher: { type: "single" },
      node: { cores: 8, memoryMb: 22_899 },
    });
  });

  it("LSF: the default queue, its run limit, who may use it, and the hosts that run jobs", () => {
    const table =
      "QUEUE_NAME PRIO STATUS MAX JL/U JL/P JL/H NJOBS PEND RUN SUSP\nnormal 30 Open:Active - - - - 0 0 0 0\nexpress 90 Open:Active - - - - 0 0 0 0";
    const details =
      "QUEUE: normal\n  -- for all\nMAXIMUM LIMITS:\n RUNLIMIT\n 1440.0 min of hostA\nUSERS: all users\n\n----\n\nQUEUE: express\n  -- short\nDEFAULT LIMITS:\n RUNLIMIT\n 10.0 min\nMAXIMUM LIMITS:\n RUNLIMIT\n 30.0 min\nUSERS: staff/ carol";
    const hosts =
      "HOST_NAME type model cpuf ncpus maxmem maxswp server RESOURCES\nlogin1 X86_64 M 1.0 4 8G - No ()\nn1 X86_64 M 1.0 32 128G - Yes ()";
    const found = parse("lsf", table, details, "Default Queues:  normal\nMBD_SLEEP_TIME: 10", hosts);
    expect(found.queues).toMatchObject([
      { name: "normal", standard: true, walltimeMs: 86_400_000 },
      { name: "express", standard: false, walltimeMs: 1_800_000, access: "only users staff/, carol" },
    ]);
    expect(found.node).toEqual({ count: 1, cores: 32, memoryMb: 131_072, gpus: 0 });
    expect(configOf("lsf", found)).toMatchObject({ provider: { type: "lsf", queue: "normal" }, node: { cores: 32 } });
  });

  it("Flux: queues with their limits; where there are none, none is named", () => {
    const table =
      " QUEUE   EN ST TDEFAULT   TLIMIT    NNODES     NCORES      NGPUS\n*batch    ✔  ✔       8h       1d      0-16      0-640        0-0\n debug    ✔  ✗      30m      inf      0-4       0-160        0-0";
    const found = parse("flux", table, "20 800 0");
    expect(found.queues).toMatchObject([
      { name: "batch", standard: true, open: true, walltimeMs: 86_400_000, nodes: 16 },
      { name: "debug", open: false, walltimeMs: undefined, nodes: 4 },
    ]);
    expect(configOf("flux", found, { commands: { flux: "/f" } })).toMatchObject({
      provider: { type: "flux", queue: "batch" },
      launcher: { type: "flux" },
      node: { cores: 40 },
    });
    expect(
      parse("flux", "QUEUE EN ST TDEFAULT TLIMIT NNODES NCORES NGPUS\n ✔ ✔ inf inf 0-inf 0-inf 0-inf").queues,
    ).toEqual([]);
  });
});

/** Answers that are cut, mixed up or damaged. */
const garbled = fc
  .tuple(
    fc.constantFrom("", SINFO, PARTITIONS, TORQUE_QUEUES, TORQUE_NODE, "qname x y\nh_rt 0\nslots 0"),
    fc.nat(400),
    fc.string(),
  )
  .map(([text, at, noise]) => text.slice(0, at) + noise + text.slice(at + 3));

it("every batch system that an endpoint can have is asked, and whatever it answers makes a configuration that is taken", () => {
  const types = Object.keys(DIALECTS);
  expect(Object.keys(ASKING).sort()).toEqual([...types].sort());
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.array(garbled, { maxLength: 5 }), (type, sections) => {
      ASKING[type]?.parse(sections);
      expect(configOf(type, parse(type, ...sections)).provider.type).toBe(type);
    }),
  );
});

it("a login node whose name leads to itself alone gets its only network, so that nodes can dial it", () => {
  const facts = { address: "127.0.1.1", interfaces: ["ib0=10.1.2.3"] };
  expect(configOf("slurm", parse("slurm", SINFO), facts)).toMatchObject({ link: { interface: "ib0" } });
  const two = { ...facts, interfaces: ["ib0=10.1.2.3", "eth0=192.0.2.1"] };
  expect(configOf("slurm", parse("slurm", SINFO), two).link).not.toMatchObject({ interface: expect.anything() });
});

it("a quota is the hard limit, else the soft one; without either there is none", () => {
  expect(quotaOf("/dev/sda1 900* 1000 2000 - 5 0 0")).toEqual({ usedBytes: 921_600, limitBytes: 2_048_000 });
  expect(quotaOf("srv:/home 900 1000 0 - 5 0 0")).toEqual({ usedBytes: 921_600, limitBytes: 1_024_000 });
  expect(quotaOf("/lustre 900 0 0")).toBeUndefined();
  expect(quotaOf("Disk quotas for user me: none")).toBeUndefined();
});
