/** How a manager ends: drained, terminated from outside, or stopped at once. */
import type { Deadline } from "./deadline.ts";
import type { Engine } from "./engine.ts";

export type Lifetime = {
  /** Starts nothing more; ends when what runs has ended and every result is taken. */
  drain(reason: string): void;
  /** The node is being taken away: what still runs after a grace is killed, and given back. */
  terminate(signal: string): void;
  /** Kills everything and ends. */
  stop(reason: string, exitCode: number): void;
};

export type LifetimeParts = {
  engine: Engine;
  deadline: Deadline;
  graceMs: number;
  /** from now on nothing new is started: the agent should know, or it sends more */
  onDrain(): void;
};

const LOOK_MS = 50;
/** Slurm sends SIGKILL 30 s after SIGTERM, Kubernetes too. */
const TERMINATE_MS = 20_000;
/** Results are not waited for longer than this when the node goes away. */
const TAKEN_MS = 5_000;

/** `onEnd` is called once. */
export function createLifetime(
  { engine, deadline, graceMs, onDrain }: LifetimeParts,
  onEnd: (reason: string, exitCode: number) => void,
): Lifetime {
  let ended = false;
  let draining = false;
  let giveUpAt = Number.POSITIVE_INFINITY;

  const end = (reason: string, exitCode: number) => {
    if (ended) return;
    ended = true;
    engine.stop();
    for (const worker of engine.pool.workers) worker.process.signal("SIGKILL");
    onEnd(reason, exitCode);
  };
  const killRunning = (why: string) => {
    for (const worker of engine.pool.workers) {
      if (worker.tasks.length > 0) engine.pool.kill(worker, { kind: "stop", why }, graceMs);
    }
    for (const run of engine.commands.runs.values()) engine.commands.kill(run.task, { kind: "stop", why }, graceMs);
  };
  const look = (reason: string) => {
    const quiet = engine.intake.tasks.size === 0 && engine.blobsOut.pending() === 0 && engine.outbox.empty();
    if (quiet || deadline.passed() || performance.now() > giveUpAt) end(reason, 0);
    else setTimeout(look, LOOK_MS, reason);
  };
  const drain = (reason: string) => {
    if (draining) return;
    draining = true;
    engine.drain();
    onDrain();
    engine.schedule();
    look(reason);
  };
  return {
    drain,
    terminate(signal) {
      if (giveUpAt !== Number.POSITIVE_INFINITY) return;
      giveUpAt = performance.now() + TERMINATE_MS + graceMs + TAKEN_MS;
      const reason = `ended by ${signal}`;
      engine.takeAway();
      drain(reason);
      setTimeout(killRunning, TERMINATE_MS, reason).unref();
    },
    stop: (reason, exitCode) => end(reason, exitCode),
  };
}
