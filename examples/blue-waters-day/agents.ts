/** Where the agents are: at the site, or on this machine, from which they drive the site over SSH. As commands of `farcall`. */
import type { Place } from "./place.ts";

export type DayEndpoint = { name: string; site: string };

export type Agents = {
  /** Brings an endpoint online. */
  begin(endpoint: DayEndpoint, place: Place): string[][];
  /** Leaves nothing of it. */
  end(name: string): string[][];
};

/** Short, so that the day ends soon: idle nodes are given back at once. */
const MAX_IDLE_MS = 3_000;

const known = ({ site }: DayEndpoint) => ["--site", site, "--set", `policy.maxIdleTimeMs=${MAX_IDLE_MS}`];

/** On a login node, where it stays after the connection has ended. */
export const agentsThere: Agents = {
  begin: (endpoint, { target, args, deployArgs }) => [
    ["endpoint", "deploy", target, "--name", endpoint.name, ...known(endpoint), ...args, ...deployArgs],
  ],
  end: (name) => [["endpoint", "remove", name, "--yes"]],
};

/** Here: for sites where no Node.js runs, as Blue Waters was, or where no process may stay on a login node. */
export const agentsHere: Agents = {
  begin: (endpoint, { target, args }) => [
    ["endpoint", "configure", endpoint.name, "--driver", "ssh", "--host", target, ...known(endpoint), ...args],
    ["endpoint", "start", endpoint.name],
  ],
  end: (name) => [["endpoint", "delete", name, "--yes"]],
};
