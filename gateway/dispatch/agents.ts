/** What this gateway remembers of agents: when it last heard of each, and what they said of themselves. */
import type { Heartbeat } from "../../protocol/messages.ts";
import type { AgentStatus } from "../ports.ts";
import type { Clock } from "./clock.ts";

export const HEARTBEAT_MS = 10_000;
/** Two and a half heartbeats: one may be lost. */
export const SILENT_MS = 25_000;

export type Agent = {
  endpoint: string;
  /** as the database said when it was last asked */
  epoch: number;
  heardAt: number;
  lastSeenAt: number;
  summary: Heartbeat["summary"] | null;
  /** heartbeats in a row whose digest was not the database's */
  differing: number;
};

export type Agents = {
  /** An agent was heard whose epoch the database confirmed just now. */
  confirmed(endpoint: string, epoch: number): Agent;
  /** An agent was heard that says it has this epoch; another than the last confirmed one counts for nothing. */
  heard(endpoint: string, epoch: number): void;
  get(endpoint: string): Agent | undefined;
  /** Whether it was heard within `withinMs`. */
  answers(endpoint: string, withinMs: number): boolean;
  forget(endpoint: string): void;
  status(endpoint: string): AgentStatus;
};

/** Remembers nothing yet. */
export function createAgents(clock: Clock): Agents {
  const agents = new Map<string, Agent>();
  const answers = (endpoint: string, withinMs: number) => {
    const agent = agents.get(endpoint);
    return agent !== undefined && clock.monotonic() - agent.heardAt <= withinMs;
  };
  const touch = (agent: Agent) => {
    agent.heardAt = clock.monotonic();
    agent.lastSeenAt = clock.wall();
  };
  return {
    confirmed(endpoint, epoch) {
      let agent = agents.get(endpoint);
      if (!agent || epoch > agent.epoch) {
        agent = { endpoint, epoch, heardAt: 0, lastSeenAt: 0, summary: null, differing: 0 };
        agents.set(endpoint, agent);
      }
      if (epoch === agent.epoch) touch(agent);
      return agent;
    },
    heard(endpoint, epoch) {
      const agent = agents.get(endpoint);
      if (agent?.epoch === epoch) touch(agent);
    },
    get: (endpoint) => agents.get(endpoint),
    answers,
    forget(endpoint) {
      agents.delete(endpoint);
    },
    status(endpoint) {
      const agent = agents.get(endpoint);
      if (!agent) return { online: false, lastSeenAt: null, summary: null };
      return { online: answers(endpoint, SILENT_MS), lastSeenAt: agent.lastSeenAt, summary: agent.summary };
    },
  };
}
