import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryCgroup } from "../../../endpoint-agent/manager/cgroup.ts";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { nonceOf } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

const probe = createMemoryCgroup(`farcall-probe-${process.pid}`, 64);
probe?.remove();

describe.each(MANAGERS)("memory of tasks (manager: %s)", (type) => {
  let agent: TestAgent;
  afterEach(() => agent.stop());

  it.runIf(probe)(
    "W2: where a cgroup can be made, the kernel ends what grows at once, and others are unharmed",
    async () => {
      agent = await startTestAgent({ type });
      // Faster than any watch: 1 GB in one step.
      const fn = agent.register(
        { runtime: "python", entry: "f" },
        "def f():\n    return len(bytearray(b'x') * (1 << 30))\n",
      );
      const other = registerProgram(agent, type, "sleep");
      const [well] = agent.submit(other, [[1_000]]) as [string];
      const { outcome, failure } = await agent.call(fn, [], { resources: { cores: 1, memoryMb: 100, gpus: 0 } });
      expect([outcome, failure?.code]).toEqual(["failed", "OOM"]);
      expect(failure?.details).toEqual({ limitMb: 100, peakMb: expect.any(Number) });
      // The kernel charges pages in batches.
      expect(failure?.details?.peakMb).toBeGreaterThanOrEqual(80);
      expect((await agent.result(well)).value).toBe(1_000);
      const command = agent.register({ runtime: "command" }, "python3 -c 'len(bytearray(b\"x\") * (1 << 30))'");
      const ended = await agent.call(command, [], { resources: { cores: 1, memoryMb: 100, gpus: 0 } });
      // The shell lives on when the kernel kills its child.
      expect(ended.failure?.code).toBe("OOM");
      agent.send({ kind: "stop" });
      await agent.exited;
      expect(
        execFileSync(
          "sh",
          ["-c", `find /sys/fs/cgroup -maxdepth 4 -name 'farcall-${nonceOf(agent.frames)}-*' | wc -l`],
          {
            encoding: "utf8",
          },
        ).trim(),
      ).toBe("0");
    },
  );

  it.runIf(probe)("W2: what the kernel ends because the whole job has no memory left ran out of memory", async () => {
    const job = createMemoryCgroup(`farcall-job-${process.pid}`, 300);
    agent = await startTestAgent({ type });
    try {
      job?.add(agent.manager.pid as number);
      const fn = agent.register(
        { runtime: "python", entry: "f" },
        "def f():\n    return len(bytearray(b'x') * (1 << 30))\n",
      );
      // A limit makes a worker of its own, begun in the job's cgroup; it is so high that only the job's is met.
      const { outcome, failure } = await agent.call(fn, [], { resources: { cores: 1, memoryMb: 4_000, gpus: 0 } });
      expect([outcome, failure?.code]).toEqual(["failed", "OOM"]);
    } finally {
      agent.send({ kind: "stop" });
      await agent.exited;
      job?.remove();
    }
  });

  it("W2: packs tasks by their memory, so that a node's is never promised twice", async () => {
    agent = await startTestAgent({ type, capacity: { cores: 4, memoryMb: 1000, gpus: 1 }, workersPerNode: 4 });
    const fn = agent.register(
      { runtime: "command" },
      'mkdir "{dir}/$$"; ls "{dir}" | wc -l; sleep 0.1; rmdir "{dir}/$$"',
    );
    const most = async (resources: { cores: number; memoryMb: number; gpus: number }) => {
      const dir = execFileSync("mktemp", ["-d", `${agent.dir}/XXXXXX`], { encoding: "utf8" }).trim();
      const ids = agent.submit(
        fn,
        Array.from({ length: 8 }, () => [{ dir }]),
        { resources },
      );
      const seen = [];
      for (const id of ids) seen.push(Number(((await agent.result(id)).value as { stdout: string }).stdout));
      return Math.max(...seen);
    };
    expect(await most({ cores: 1, memoryMb: 400, gpus: 0 })).toBe(2);
    expect(await most({ cores: 3, memoryMb: 0, gpus: 0 })).toBe(1);
    expect(await most({ cores: 1, memoryMb: 0, gpus: 1 })).toBe(1);
    expect(await most({ cores: 1, memoryMb: 0, gpus: 0 })).toBe(4);
  });

  it("lets a large task have its turn though small ones keep coming", async () => {
    agent = await startTestAgent({ type, capacity: { cores: 2, memoryMb: 0, gpus: 0 } });
    const fn = registerProgram(agent, type, "sleep");
    const small: string[] = agent.submit(
      fn,
      Array.from({ length: 6 }, () => [300]),
    );
    const [large] = agent.submit(fn, [[1]], { resources: { cores: 2, memoryMb: 0, gpus: 0 } }) as [string];
    const feed = setInterval(() => small.push(...agent.submit(fn, [[300], [300]])), 250);
    try {
      expect((await agent.result(large, 1, 10_000)).value).toBe(1);
    } finally {
      clearInterval(feed);
    }
    for (const id of small) expect((await agent.result(id)).value).toBe(300);
  });
});
