/** Whether a manager that is not connected is known to be dead, with all that it started, though its block may live on. */
import type { ManagerHello } from "./manager.ts";
import { WORKER_ENV } from "./manager-config.ts";
import type { ManagerLinkHandlers } from "./manager-link.ts";
import { bootId, isAlive } from "./process-identity.ts";
import { killBlockProcesses, killMarked } from "./provider/block-processes.ts";

export type DeadOptions = {
  endpoint: string;
  /** blocks of this machine's own, which nobody starts a second time */
  local: boolean;
  /** so long the scheduler has to say what became of the block: it may have been preempted, which counts no attempt */
  patienceMs: number;
};

export type ProvenDead = {
  /** Notes which of the managers that say hello can be seen from here. */
  watching(handlers: ManagerLinkHandlers): ManagerLinkHandlers;
  of(manager: ManagerHello, silentMs: number): boolean;
};

/**
 * Only what runs on this machine, and can be seen from here, can be known: the processes of another container have the same boot id,
 * and are not there when they are looked for (FAULTS.md A6). What is left is killed; then it is dead when it is looked at again.
 */
export function createProvenDead({ endpoint, local, patienceMs }: DeadOptions): ProvenDead {
  const boot = bootId();
  const visible = new Set<string>();
  return {
    watching: (handlers) => ({
      ...handlers,
      frame(frame, body) {
        if (frame.kind === "hello" && frame.bootId === boot && isAlive(frame)) visible.add(frame.nonce);
        handlers.frame(frame, body);
      },
    }),
    of(manager, silentMs) {
      if (silentMs < patienceMs || !visible.has(manager.nonce) || isAlive(manager)) return false;
      try {
        if (local) return killBlockProcesses(`${endpoint}/${manager.block}/${manager.node}`, { exact: true }) === 0;
        // The block's name would find the next incarnation too (FAULTS.md B6).
        return killMarked(WORKER_ENV, `${manager.nonce}/`) === 0;
      } catch {
        // What cannot be looked at is not proven.
        return false;
      }
    },
  };
}
