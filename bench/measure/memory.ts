/** The most memory that each part of a stack has held. */
import type { Stack } from "../../deploy/stack.ts";
import type { Measurements } from "../workload.ts";
import { descendants, peakMemoryMb } from "./processes.ts";

/**
 * Peaks by part, in MB: `rss_gateway_mb`, `rss_agent_mb`, `rss_nats_mb`, and the largest process below the agent. A prefix tells
 * one workload's from another's.
 */
export function peakMemory(stack: Stack, prefix = ""): Measurements {
  const pid = (name: string) => stack.part(name).status().pid;
  const peak = (id: number | null) => (id === null ? Number.NaN : peakMemoryMb(id));
  const agent = pid(`agent:${stack.endpoints[0]?.name}`);
  const below = agent === null ? [] : descendants(agent);
  return {
    [`${prefix}rss_gateway_mb`]: peak(pid("gateway")),
    [`${prefix}rss_agent_mb`]: peak(agent),
    [`${prefix}rss_nats_mb`]: peak(pid("nats")),
    [`${prefix}rss_largest_below_agent_mb`]: Math.max(0, ...below.map(peakMemoryMb).filter((mb) => !Number.isNaN(mb))),
  };
}
