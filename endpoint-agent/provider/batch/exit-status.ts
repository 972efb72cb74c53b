/** What Torque and PBS mean by a job's exit status, in words. Zero proves nothing: a restarted MOM forges it. */
import { constants } from "node:os";
import type { TakenCause } from "../port.ts";

/** What an exit status says of a job that has ended. */
export type ExitMeaning = { words: string; taken?: true; cause?: TakenCause; unproven?: true };

/** A negative number is the MOM's own verdict, 256+N means that signal N ended the job's shell, 128+N its script. */
export function exitMeaning(status: number, verdicts: Readonly<Record<number, ExitMeaning>>): ExitMeaning {
  if (status < 0) return verdicts[status] ?? { words: `the batch system ended it (${status})`, taken: true };
  if (status > 256) {
    return { words: `ended by ${signalName(status - 256)}, as a cancel does it`, taken: true, cause: "cancelled" };
  }
  if (status === 254) return { words: "exit code 254: its shell or its first command may be missing" };
  if (status > 128 && status < 128 + 65) return { words: `its script was ended by ${signalName(status - 128)}` };
  return { words: `exit code ${status}` };
}

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

function signalName(number: number): string {
  return SIGNALS.get(number) ?? `signal ${number}`;
}

/** Torque 6.1 (pbs_job.h). */
export const TORQUE_VERDICTS: Readonly<Record<number, ExitMeaning>> = {
  [-1]: { words: "it could not be started (-1)", taken: true },
  [-2]: { words: "it could not be started, or the prologue refused it (-2)", taken: true },
  [-3]: { words: "it could not be started and may be tried again (-3)", taken: true },
  [-4]: { words: "the MOM was restarted and aborted it (-4)", taken: true },
  [-7]: { words: "restarting it failed (-7)", taken: true },
  [-8]: { words: "its command could not be run (-8)" },
  [-9]: { words: "its output files could not be made (-9)" },
  [-10]: { words: "it used more memory than it may (-10)" },
  [-11]: { words: "its walltime was over (-11)", taken: true, cause: "walltime" },
  [-12]: { words: "it used more CPU time than it may (-12)" },
  [-13]: { words: "its cgroup could not be made (-13)", taken: true },
  [-14]: { words: "the prologue asked to try it again (-14)", taken: true },
};

/** PBS Pro and OpenPBS (job.h). */
export const PBS_VERDICTS: Readonly<Record<number, ExitMeaning>> = {
  [-1]: { words: "it could not be started (-1)", taken: true },
  [-2]: { words: "it could not be started: is its home directory there? (-2)", taken: true },
  [-3]: { words: "it could not be started and may be tried again (-3)", taken: true },
  [-4]: { words: "the MOM was restarted and aborted it (-4)", taken: true },
  [-10]: { words: "the node does not know its user (-10)" },
  [-11]: { words: "it was run again (-11)", taken: true },
  [-17]: { words: "a hook of the site asked to run it again (-17)", taken: true },
  [-18]: { words: "a hook of the site deleted it (-18)", taken: true, cause: "cancelled" },
  // The server has lost sight of the node, where its processes may live on.
  [-20]: { words: "its node was lost (-20)", taken: true, cause: "node-failed", unproven: true },
  [-24]: { words: "it used more cores than it may (-24)" },
  [-25]: { words: "it used more cores than it may (-25)" },
  [-26]: { words: "it used more virtual memory than it may (-26)" },
  [-27]: { words: "it used more memory than it may (-27)" },
  [-28]: { words: "it used more CPU time than it may (-28)" },
  [-29]: { words: "its walltime was over (-29)", taken: true, cause: "walltime" },
};
