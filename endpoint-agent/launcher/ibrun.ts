/** ibrun, the launcher of TACC's machines (portal.tacc.utexas.edu/user-guides). No manual that was found describes IBRUN_TASKS_PER_NODE. */
import type { Launcher } from "./port.ts";

/** One task a node; it takes the rest from the job, which asks for one task a node. */
export const ibrun: Launcher = ({ nodes, overrides, nodeScript }) => [
  "env",
  "IBRUN_TASKS_PER_NODE=1",
  "ibrun",
  "-n",
  String(nodes),
  ...overrides,
  nodeScript,
];
