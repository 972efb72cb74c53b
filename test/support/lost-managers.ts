/** A stack with one kind of manager, whose processes tests kill, stop and go on with; and when its attempts really ended. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { findBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { Farcall } from "../../sdk/index.ts";
import { judge, type Line, PYTHON_WITNESS, readEvidence, witness } from "./evidence.ts";
import { type ManagerType, OLDEST_PYTHON } from "./managers.ts";
import { alive } from "./own-agent.ts";
import { startStack } from "./stack.ts";
import { waitFor } from "./wait-for.ts";

export type LostManagers = Awaited<ReturnType<typeof startLostManagers>>;

/** Starts two tasks, one of each delivery, that run; their ends are to be those of tasks whose manager was lost. */
export async function startTwo(world: LostManagers, taskMs: number) {
  const tasks = [world.call("often", taskMs), world.call("once", taskMs, "at-most-once")];
  const ends = Promise.allSettled(tasks.map((task) => Promise.resolve(task)));
  const keys = ["often", "once"];
  await waitFor(() => keys.every((key) => world.starts(key).length === 1), { what: "both starts" });
  return {
    workers: keys.map((key) => world.starts(key)[0]?.pid as number),
    managers: world.managers(),
    async judged() {
      const [often, once] = await ends;
      expect(often).toMatchObject({ status: "fulfilled", value: "often" });
      expect(once).toMatchObject({ status: "rejected", reason: { code: "MAYBE_RAN" } });
      const { starts, overlaps } = judge(readEvidence(world.evidence), world.endOf);
      expect(overlaps, "I3: two live attempts").toEqual([]);
      expect(Object.fromEntries(starts)).toEqual({ often: 2, once: 1 });
    },
  };
}

/** Starts it; `config` is more of the endpoint's configuration. */
export async function startLostManagers(type: ManagerType, config: Record<string, unknown>) {
  const python = type === "python" ? { manager: "python", workers: { python: OLDEST_PYTHON } } : {};
  const stack = await startStack({ endpoints: [{ name: "laptop", config: { ...python, ...config } }] });
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  const evidence = join(stack.dir, "evidence");
  const run =
    type === "python" ? farcall.python<typeof witness>(PYTHON_WITNESS) : farcall.function(witness, { name: "witness" });
  const deaths = watchDeaths(evidence);
  const processes = () => findBlockProcesses(`${stack.endpoint}/`).map(({ pid }) => pid);
  return {
    stack,
    farcall,
    evidence,
    call: (key: string, ms: number, delivery: "at-least-once" | "at-most-once" = "at-least-once") =>
      run.with({ delivery }).submit(evidence, key, ms),
    starts: (key: string) => readEvidence(evidence).filter((line) => line.key === key && line.phase === "start"),
    /** What belongs to a block: managers, their watchdogs, workers. */
    processes,
    managers: () => processes().filter((pid) => /manager(\/main\.[jt]s|\.pyz)\0.*--config/.test(commandOf(pid))),
    /** When an attempt without an end has ended: its process's end, or never. */
    endOf: (line: Line) => deaths.of(line.pid),
    async stop() {
      deaths.stop();
      await farcall.close();
      await stack.stop();
    },
  };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** Looks often at the processes that have left a start; notes when each is first seen dead, on the evidence's clock. */
function watchDeaths(evidence: string) {
  const died = new Map<number, number>();
  const timer = setInterval(() => {
    for (const { pid } of readEvidence(evidence)) {
      if (!died.has(pid) && !alive(pid)) died.set(pid, Number(process.hrtime.bigint() / 1000n) / 1000);
    }
  }, 50);
  return {
    of: (pid: number) => died.get(pid) ?? Number.POSITIVE_INFINITY,
    stop: () => clearInterval(timer),
  };
}
