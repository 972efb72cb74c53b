import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { nodeScript } from "../../../endpoint-agent/launcher/node-script.ts";
import { waitFor } from "../../support/wait-for.ts";
import { startTestBlock, type TestBlock, type TestBlockOptions } from "./test-block.ts";

const blocks: TestBlock[] = [];
afterEach(async () => {
  for (const block of blocks.splice(0)) await block.stop();
});
async function start(options: TestBlockOptions): Promise<TestBlock> {
  const block = await startTestBlock(options);
  blocks.push(block);
  return block;
}

/** pbsdsh hands no rank on, and each copy is on a node of another name. */
const pbsdsh = (count: number) => ({
  launcher: "pbsdsh",
  commands: {
    pbsdsh: `#!/bin/sh\nfor n in $(seq ${count}); do TEST_HOST=n$((n % 2)) "$@" & done\nwait\n`,
    uname: '#!/bin/sh\necho "$TEST_HOST"\n',
  },
});
/** mpiexec gives ranks from 0. */
const mpiexec = (nodes: number, more = "") => ({
  launcher: "mpiexec",
  commands: {
    mpiexec: `#!/bin/sh\nfor last; do :; done\nfor n in $(seq 0 ${nodes - 1}); do PMI_RANK=$n "$last" & pids="$pids $!"; done
for pid in $pids; do wait $pid || code=$?; done\n${more}exit \${code:-0}\n`,
  },
});
const nodesOf = (block: TestBlock) =>
  block
    .connected()
    .map(({ hello }) => hello.node)
    .sort();
async function ready(block: TestBlock, nodes: number, env?: Record<string, string>) {
  const run = block.launch(env);
  await waitFor(() => block.connected().length === nodes).catch((error) => {
    throw new Error(`${error.message}: ${run.output()}`);
  });
  return run;
}

describe("a block of two nodes over TLS", () => {
  it("has a manager on each, with its own number and slots, and runs tasks on both", async () => {
    const block = await start({ nodes: 2, ...mpiexec(2) });
    await ready(block, 2);
    expect(nodesOf(block)).toEqual([0, 1]);
    const results = await block.run(
      "sleep 0.2; echo {n}",
      Array.from({ length: 8 }, (_, n) => ({ n })),
    );
    expect(results.map(({ value }) => value?.stdout)).toEqual(Array.from({ length: 8 }, (_, n) => `${n}\n`));
    expect(new Set(results.map(({ node }) => node))).toEqual(new Set([0, 1]));
  });

  it("numbers its nodes itself where the launcher does not, one manager a host however many copies are started", async () => {
    const block = await start({ nodes: 2, ...pbsdsh(5) });
    await ready(block, 2);
    expect(nodesOf(block)).toEqual([0, 1]);
  });

  it("takes the launcher's own rank, whatever stands around the block", async () => {
    const block = await start({ nodes: 2, ...mpiexec(2) });
    await ready(block, 2, { SLURM_PROCID: "0", PMIX_RANK: "0", SLURM_NODEID: "0" });
    expect(nodesOf(block)).toEqual([0, 1]);
  });

  it("runs workers.init on the node, where variables mean the node's", async () => {
    const init = 'export FROM_INIT="$PMI_RANK of it\'s"\ncd /\nset -u';
    const block = await start({ nodes: 2, ...mpiexec(2), init: `${init}\nexport PATH="$PATH:/opt/of/node$PMI_RANK"` });
    await ready(block, 2);
    const results = await block.run("sleep 0.2; echo $PATH; pwd", [{}, {}, {}, {}]);
    for (const { node, value } of results) expect(value?.stdout).toMatch(new RegExp(`/opt/of/node${node}\n`));
  });

  it("leaves nothing to tasks by which a program would take itself for a rank, and what the site has set", async () => {
    const set = "export OMPI_MCA_btl=tcp,self PMIX_MCA_gds=hash I_MPI_FABRICS=shm";
    const ranks =
      "PMI_FD=5 PMIX_NAMESPACE=n OMPI_COMM_WORLD_SIZE=2 OMPI_UNIVERSE_SIZE=2 OMPI_MCA_orte_hnp_uri=u HYDI_CONTROL_FD=6";
    const block = await start({ nodes: 1, launcher: "single", init: `${set} ${ranks}\nset -u` });
    await ready(block, 1);
    const resources = { cores: 1, memoryMb: 0, gpus: 0, nodes: 1, ranksPerNode: 1 };
    const [result] = await block.run("env | grep -E '^(PMI|OMPI|HYDI|I_MPI)' | sort", [{}], { resources });
    expect(result?.value?.stdout).toBe("I_MPI_FABRICS=shm\nOMPI_MCA_btl=tcp,self\nPMIX_MCA_gds=hash\n");
  });

  it("B1: goes on with the other nodes when a manager is killed; the exit status is the launcher's", async () => {
    const block = await start({ nodes: 2, ...mpiexec(2, "code=$((code + 1))\n") });
    const run = await ready(block, 2);
    const [first, second] = block.connected();
    process.kill(first?.hello.pid as number, "SIGKILL");
    await waitFor(() => block.connected().length === 1);
    expect((await block.run("echo still", [{}]))[0]).toMatchObject({ node: second?.hello.node, outcome: "succeeded" });
    second?.link?.send({ kind: "drain" });
    // Not by a signal, at which launchers end all nodes: by the code that a shell gives it, 128 + 9.
    expect(await run.ended).toBe(138);
    expect(block.scratch()).toEqual([]);
  });

  it("B4: drains its managers at SIGUSR1", async () => {
    const block = await start({ nodes: 1, launcher: "single" });
    const run = await ready(block, 1);
    run.child.kill("SIGUSR1");
    expect(await run.ended).toBe(0);
    expect(run.output()).toMatch(/its walltime ends soon/);
  });

  it("B6: registers a second start of the same job as new managers, which take the place of the old", async () => {
    const block = await start({ nodes: 2, ...pbsdsh(2) });
    const first = await ready(block, 2);
    const old = block.connected().map(({ hello }) => hello.nonce);
    const again = block.launch();
    await waitFor(() => block.connected().filter(({ hello }) => !old.includes(hello.nonce)).length === 2).catch(
      (error) => {
        throw new Error(`${error.message}: ${again.output()}`);
      },
    );
    expect(await first.ended).toBe(0);
    expect(nodesOf(block)).toEqual([0, 1]);
    expect((await block.run("echo {n}", [{ n: 1 }, { n: 2 }, { n: 3 }])).map(({ outcome }) => outcome)).toEqual(
      Array(3).fill("succeeded"),
    );
    expect(readFileSync(join(block.dir, "incarnations", "current"), "utf8")).toBe("2\n");
  });
});

describe("the launch script", () => {
  it.each([
    ["Slurm", { SLURM_JOB_NODELIST: "n[1-2]" }],
    ["Torque and PBS", { PBS_NODEFILE: "file" }],
    ["SGE", { PE_HOSTFILE: "columns" }],
    ["LSF", { LSB_DJOB_HOSTFILE: "file" }],
  ])("writes the host file from the node list of %s, each node once", async (_, env: Record<string, string>) => {
    const commands = { mpiexec: "#!/bin/sh\nexit 3\n", scontrol: "#!/bin/sh\necho n1\necho n2\n" };
    const block = await start({ nodes: 2, launcher: "mpiexec", commands });
    for (const [name, value] of Object.entries(env)) {
      if (value.startsWith("n[")) continue;
      env[name] = join(block.dir, value);
      const rest = value === "columns" ? " 4 all.q@n1 UNDEFINED" : "";
      writeFileSync(env[name], `n1${rest}\nn1${rest}\nn2${rest}\n`);
    }
    expect(await block.launch(env).ended).toBe(3);
    expect(readFileSync(join(block.dir, "hosts"), "utf8")).toBe("n1\nn2\n");
  });

  it("becomes the launcher: its exit status is the block's", async () => {
    const block = await start({ nodes: 2, launcher: "aprun", commands: { aprun: "#!/bin/sh\nexit 37\n" } });
    expect(await block.launch().ended).toBe(37);
  });
});

describe("the node script", () => {
  it("keeps to one shell word whatever is in a path", () => {
    const text = nodeScript({
      launcher: "srun",
      nodes: 3,
      dir: "/a b/$(touch x)/it's",
      command: ["/no de", "main.ts"],
      logPrefix: "/l'og/x-",
      mark: { variable: "FARCALL_BLOCK", prefix: "e/b/" },
      init: undefined,
      scratch: "/scr atch",
    });
    expect(text).toContain("dir='/a b/$(touch x)/it'\\''s'\n");
    expect(text).toContain("'/no de' main.ts --config");
    expect(text).toContain("scratch='/scr atch'\n");
  });
});
