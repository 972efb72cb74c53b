/** No launcher: one manager, where the block's script runs. */
import type { Launcher } from "./port.ts";

/** Runs the node script as it is. */
export const single: Launcher = ({ overrides, nodeScript }) => [...overrides, nodeScript];
