/** Where the script of a block itself writes. */

/**
 * Beside the log of node 0, and not into it: Torque, PBS and HTCondor write the script's output over whatever is there. The
 * manager on that node appends to its own.
 */
export function scriptLogOf(nodeLog: string): string {
  return nodeLog.replace(/(?:\.log)?$/, ".script.log");
}
