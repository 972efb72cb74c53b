/**
 * aprun of Cray's ALPS: the batch script runs on a MOM node, only aprun reaches compute nodes (FACTS.md 5). Its options are those of
 * "Running Applications", S-2496, and of "Run Applications Using the aprun Command", HPE a00114008en_us_v2.
 */
import type { Launcher } from "./port.ts";

/**
 * One process a node that may use all its cores: with aprun's own depth of 1 the manager and all its workers would share one.
 * `-b`: the node script is on a file system that nodes see and is not copied to them.
 */
export const aprun: Launcher = ({ nodes, coresPerNode, overrides, nodeScript }) => [
  "aprun",
  "-n",
  String(nodes),
  "-N",
  "1",
  "-d",
  String(coresPerNode),
  "-cc",
  "none",
  "-b",
  ...overrides,
  nodeScript,
];
