import { availableParallelism } from "node:os";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createPinning, type Pins, parseCoreList } from "../../../endpoint-agent/manager/pins.ts";
import { coresOfTask, usualCores } from "../../../endpoint-agent/manager/task-cores.ts";
import { MANAGERS, type ManagerType } from "../../support/managers.ts";
import { type AgentOptions, startTestAgent, type TestAgent } from "./test-agent.ts";

let agent: TestAgent | undefined;
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
});
const start = async (options: AgentOptions) => {
  agent = await startTestAgent(options);
  return agent;
};
const capacity = (type: ManagerType, cores: number, gpus: number) => ({
  type,
  capacity: { cores, memoryMb: 4_096, gpus },
  workersPerNode: cores,
});
const SEEN = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"];
const stdout = (result: { value?: unknown }) => (result.value as { stdout: string }).stdout;

describe("pins", () => {
  it("are never given to two at once, and come back", () => {
    const needs = fc.array(fc.record({ gpus: fc.nat(3), back: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(needs, (steps) => {
        const pinning = createPinning({ cores: 8, gpus: 4, affinity: "none", env: {} });
        const held: Pins[] = [];
        for (const { gpus, back } of steps) {
          const first = back ? held.shift() : undefined;
          if (first) pinning.release(first);
          const pins = pinning.take({ cores: 1, memoryMb: 0, gpus });
          if (pins) held.push(pins);
          const inUse = held.flatMap((each) => each.gpus);
          expect(new Set(inUse).size).toBe(inUse.length);
          if (!pins) expect(inUse.length + gpus).toBeGreaterThan(4);
        }
        for (const pins of held) pinning.release(pins);
        expect(pinning.take({ cores: 1, memoryMb: 0, gpus: 4 })?.gpus).toEqual([0, 1, 2, 3]);
      }),
    );
  });

  it("are shown to each kind of GPU by its own variable", () => {
    const pinning = createPinning({ cores: 1, gpus: 4, affinity: "none", env: {} });
    expect(pinning.env({ gpus: [2, 3], cores: [] })).toEqual({
      CUDA_VISIBLE_DEVICES: "2,3",
      ROCR_VISIBLE_DEVICES: "2,3",
      HIP_VISIBLE_DEVICES: "0,1",
      ZE_AFFINITY_MASK: "2,3",
    });
    expect(pinning.env({ gpus: [], cores: [] })).toMatchObject({ CUDA_VISIBLE_DEVICES: "", ROCR_VISIBLE_DEVICES: "" });
    expect(createPinning({ cores: 1, gpus: 0, affinity: "none", env: {} }).env({ gpus: [], cores: [] })).toEqual({});
  });

  it("are among those that the scheduler has chosen for the job", () => {
    const env = { CUDA_VISIBLE_DEVICES: "GPU-a,GPU-b", ROCR_VISIBLE_DEVICES: "7" };
    const pinning = createPinning({ cores: 1, gpus: 2, affinity: "none", env });
    expect(pinning.env({ gpus: [1], cores: [] })).toMatchObject({
      CUDA_VISIBLE_DEVICES: "GPU-b",
      ROCR_VISIBLE_DEVICES: "1",
    });
  });

  it("leave cores alone where there are fewer than promised", () => {
    const pinning = createPinning({ cores: 4_096, gpus: 0, affinity: "cores", env: {} });
    expect(pinning.take({ cores: 100, memoryMb: 0, gpus: 0 })).toEqual({ gpus: [], cores: [] });
  });

  it("reads the kernel's lists of cores", () => {
    expect(parseCoreList("0-3,8,10-11")).toEqual([0, 1, 2, 3, 8, 10, 11]);
  });
});

describe("a task's cores", () => {
  it("are told by variables, and what the site has set is not overruled", () => {
    expect(usualCores({ OMP_NUM_THREADS: "3" })).toEqual({ FARCALL_CORES: "1", OMP_NUM_THREADS: "3" });
    expect(coresOfTask({ cores: 1, memoryMb: 0, gpus: 0 }, {})).toBe(undefined);
    expect(coresOfTask({ cores: 4, memoryMb: 0, gpus: 0 }, { OMP_NUM_THREADS: "2" })).toEqual({
      FARCALL_CORES: "4",
      OMP_NUM_THREADS: "2",
    });
  });
});

describe.each(MANAGERS)("a manager (%s) with GPUs", (type) => {
  it("gives each command that runs its own, and none to those that asked for none", async () => {
    const { register, submit, result, call } = await start(capacity(type, 4, 3));
    const show = register({ runtime: "command" }, "sleep {s}; echo $CUDA_VISIBLE_DEVICES/$HIP_VISIBLE_DEVICES");
    const resources = { cores: 1, memoryMb: 0, gpus: 1 };
    const ids = submit(show, Array(3).fill([{ s: 0.5 }]), { resources });
    const seen = await Promise.all(ids.map(async (id) => stdout(await result(id))));
    expect(seen.sort()).toEqual(["0/0\n", "1/0\n", "2/0\n"]);
    expect(stdout(await call(show, [{ s: 0 }], { resources: { ...resources, gpus: 2 } }))).toBe("0,1/0,1\n");
    expect(stdout(await call(show, [{ s: 0 }]))).toBe("/\n");
  });

  it("gives each worker its own for its life; idle ones make room for other needs", async () => {
    const { register, submit, result, call } = await start(capacity(type, 4, 2));
    const show =
      "import os, time\ndef f(ms):\n    time.sleep(ms / 1000)\n" +
      `    return "/".join(os.environ.get(n, "") for n in ${JSON.stringify(SEEN)}) + " %d" % os.getpid()\n`;
    const first =
      type === "python"
        ? register({ runtime: "python", entry: "f" }, show)
        : register(
            { runtime: "javascript" },
            `export default async (ms) => { await new Promise((r) => setTimeout(r, ms)); return ${JSON.stringify(SEEN)}.map((n) => process.env[n]).join("/") + " " + process.pid; }`,
          );
    const python = register(
      { runtime: "python", entry: "show" },
      'import os\ndef show():\n    return os.environ["CUDA_VISIBLE_DEVICES"]\n',
    );
    const one = { cores: 1, memoryMb: 0, gpus: 1 };
    const ids = submit(first, [[500], [500]], { resources: one });
    const seen = (await Promise.all(ids.map((id) => result(id)))).map(({ value }) => String(value));
    expect(seen.map((text) => text.split(" ")[0]).sort()).toEqual(["0/0/0/0", "1/1/0/1"]);
    // Warm, and on the same GPU still.
    expect(seen).toContain((await call(first, [0], { resources: one })).value);
    expect((await call(python, [], { resources: { ...one, gpus: 2 } })).value).toBe("0,1");
    expect((await call(first, [0])).value).toMatch(/^\/\/\/ /);
  });
});

describe.each(MANAGERS)("a manager (%s) that pins cores", (type) => {
  it("keeps each process on its own", async () => {
    const cores = availableParallelism();
    if (cores < 2) return;
    const { register, submit, result, call } = await start({ ...capacity(type, 2, 0), affinity: "cores" });
    const shell = register(
      { runtime: "command" },
      "sleep 0.5; grep Cpus_allowed_list /proc/self/status; echo $FARCALL_CORES",
    );
    const ids = submit(shell, [[{}], [{}]]);
    const lists = await Promise.all(ids.map(async (id) => stdout(await result(id)).split(/\s+/)));
    expect(new Set(lists.map((words) => words[1])).size).toBe(2);
    expect(lists.map((words) => words[2])).toEqual(["1", "1"]);
    const python = register(
      { runtime: "python", entry: "show" },
      'import os\ndef show():\n    return [len(os.sched_getaffinity(0)), os.environ["FARCALL_CORES"], os.environ["OMP_NUM_THREADS"]]\n',
    );
    expect((await call(python, [])).value).toEqual([1, "1", "1"]);
    expect((await call(python, [], { resources: { cores: 2, memoryMb: 0, gpus: 0 } })).value).toEqual([2, "2", "2"]);
  });
});
