/**
 * pbsdsh of Torque (man page at linux.die.net/man/1/pbsdsh) and of OpenPBS, which have different options and hand no variables on. What
 * Torque tells its programs, as PBS_VNODENUM, counts processors, not nodes; `-u`, once a node, is Torque's alone.
 */
import type { Launcher } from "./port.ts";

/** It may start several copies on a node; all but the first of a node end at once (node-script.ts). */
export const pbsdsh: Launcher = ({ overrides, nodeScript }) => ["pbsdsh", ...overrides, nodeScript];
