/** Whether a manager that is not connected is known to be dead, with all that it started, though its block may live on. */
import type { ManagerHello } from "./manager.ts";
import { WORKER_ENV } from "./manager-config.ts";
import { bootId, isAlive } from "./process-identity.ts";
import { killBlockProcesses, killMarked } from "./provider/block-processes.ts";

export type DeadOptions = {
  endpoint: string;
  /** blocks of this machine's own, which nobody starts a second time */
  local: boolean;
  /** so long the scheduler has to say what became of the block: it may have been preempted, which counts no attempt */
  patienceMs: number;
};

/** Only what ran on this machine can be known. What is left of it is killed; then it is dead when it is looked at again. */
export function createProvenDead({ endpoint, local, patienceMs }: DeadOptions) {
  const boot = bootId();
  return (manager: ManagerHello, silentMs: number): boolean => {
    if (silentMs < patienceMs || manager.bootId !== boot || isAlive(manager)) return false;
    try {
      if (local) return killBlockProcesses(`${endpoint}/${manager.block}/${manager.node}`, { exact: true }) === 0;
      // The block's name would find the next incarnation too (FAULTS.md B6).
      return killMarked(WORKER_ENV, `${manager.nonce}/`) === 0;
    } catch {
      // What cannot be looked at is not proven.
      return false;
    }
  };
}
