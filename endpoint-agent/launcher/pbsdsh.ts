/** pbsdsh of Torque and of OpenPBS, which have different options and hand no variables on. */
import type { Launcher } from "./port.ts";

/** It may start several copies on a node; all but the first of a node end at once (node-script.ts). */
export const pbsdsh: Launcher = ({ overrides, nodeScript }) => ["pbsdsh", ...overrides, nodeScript];
