/**
 * jsrun of IBM's Job Step Manager, under LSF: the batch script runs on a launch node. Its options are those of
 * ibm.com/support/knowledgecenter/SSWRJV_10.1.0/jsm/jsrun.html.
 */
import type { Launcher } from "./port.ts";

/** One resource set a node, with all of it. */
export const jsrun: Launcher = ({ nodes, overrides, nodeScript }) => [
  "jsrun",
  "--nrs",
  String(nodes),
  "--rs_per_host",
  "1",
  "--tasks_per_rs",
  "1",
  "--cpu_per_rs",
  "ALL_CPUS",
  "--gpu_per_rs",
  "ALL_GPUS",
  "--bind",
  "none",
  ...overrides,
  nodeScript,
];
