/** Which GPUs, and where it is wanted which cores, a process on this node has to itself. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Resources } from "../../protocol/task.ts";

export type Pins = { readonly gpus: readonly number[]; readonly cores: readonly number[] };

export const NO_PINS: Pins = { gpus: [], cores: [] };

export type Pinning = {
  /** Processes of one class can stand in for each other; "" needs no pins. */
  classOf(need: Resources): string;
  /** Undefined while too few are free. */
  take(need: Resources): Pins | undefined;
  release(pins: Pins): void;
  /** Variables by which a process sees its own GPUs and no others; none on a node without. */
  env(pins: Pins): Record<string, string>;
  /** What to put before a command so that it stays on its cores. */
  prefix(pins: Pins): string[];
};

export type PinningOptions = {
  /** of the node, by its configuration */
  cores: number;
  gpus: number;
  affinity: "none" | "cores";
  /** the manager's own environment: a scheduler may have chosen GPUs already */
  env: NodeJS.ProcessEnv;
};

/** Counts the pins of one node. */
export function createPinning({ cores, gpus, affinity, env }: PinningOptions): Pinning {
  const allowed = affinity === "cores" && hasTaskset() ? allowedCores() : [];
  // With fewer cores than the configuration promises, some tasks would never get theirs.
  const pinsCores = allowed.length >= cores;
  const free = { gpus: Array.from({ length: gpus }, (_, index) => index), cores: pinsCores ? allowed : [] };
  const coresOf = (need: Resources) => (pinsCores ? need.cores : 0);
  const names = (variable: string) => {
    const chosen = env[variable]?.split(",").filter(Boolean) ?? [];
    return (index: number) => (chosen.length >= gpus ? chosen[index] : String(index));
  };
  const cuda = names("CUDA_VISIBLE_DEVICES");
  const rocr = names("ROCR_VISIBLE_DEVICES");
  const intel = names("ZE_AFFINITY_MASK");
  return {
    classOf: (need) => (need.gpus + coresOf(need) === 0 ? "" : `${need.gpus}g${coresOf(need)}c`),
    take(need) {
      const count = coresOf(need);
      if (free.gpus.length < need.gpus || free.cores.length < count) return undefined;
      return { gpus: free.gpus.splice(0, need.gpus), cores: free.cores.splice(0, count) };
    },
    release(pins) {
      // In order, so that neighbours, which share a cache or a link, are given out together.
      free.gpus = [...free.gpus, ...pins.gpus].sort(ascending);
      free.cores = [...free.cores, ...pins.cores].sort(ascending);
    },
    env(pins) {
      if (gpus === 0) return {};
      const visible: Record<string, string> = {
        CUDA_VISIBLE_DEVICES: pins.gpus.map(cuda).join(","),
        ROCR_VISIBLE_DEVICES: pins.gpus.map(rocr).join(","),
        // Counted among those that ROCR shows, and believed before CUDA_VISIBLE_DEVICES.
        HIP_VISIBLE_DEVICES: pins.gpus.map((_, position) => position).join(","),
      };
      // An empty mask would show all.
      if (pins.gpus.length > 0) visible.ZE_AFFINITY_MASK = pins.gpus.map(intel).join(",");
      return visible;
    },
    prefix: (pins) => (pins.cores.length === 0 ? [] : ["taskset", "-c", pins.cores.join(",")]),
  };
}

/** Its GPUs as the scheduler names them, which may be other numbers than their places here. */
export function gpusOf(pinning: Pick<Pinning, "env">, pins: Pins): string[] {
  return pins.gpus.length === 0 ? [] : (pinning.env(pins).CUDA_VISIBLE_DEVICES ?? "").split(",");
}

function hasTaskset(): boolean {
  return spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;
}

/** The cores that this process may use, as a scheduler's cgroup or a launcher left them. */
function allowedCores(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
    return parseCoreList(list);
  } catch {
    return Array.from({ length: availableParallelism() }, (_, index) => index);
  }
}

/** Reads a list such as `0-3,8`. */
export function parseCoreList(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}

function ascending(a: number, b: number): number {
  return a - b;
}
