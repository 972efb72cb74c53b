/** A worker's ways for frames as pipes with names: for a runtime of containers that hands no descriptors on. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";

export type NamedPipes = {
  readonly tasks: Socket;
  readonly results: Socket;
  /** The worker has its ends, or never will: from here on its end is seen. */
  passed(): void;
};

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Makes `tasks` and `results` in `dir`. Nothing here waits for a worker, which may never come. */
export function openNamedPipes(dir: string): NamedPipes {
  const paths = ["tasks", "results"].map((name) => join(dir, name)) as [string, string];
  execFileSync("mkfifo", ["-m", "600", ...paths]);
  const fds: number[] = [];
  try {
    // A reader first: a writer without one is refused. Both ends are held until the worker has its own, so that none seems closed.
    for (const path of paths) for (const access of [O_RDONLY, O_WRONLY]) fds.push(openSync(path, access | O_NONBLOCK));
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
  const [tasksChild, tasks, results, resultsChild] = fds as [number, number, number, number];
  let held = [tasksChild, resultsChild];
  return {
    tasks: new Socket({ fd: tasks, readable: false, writable: true }),
    results: new Socket({ fd: results, readable: true, writable: false }),
    passed() {
      for (const fd of held) closeSync(fd);
      held = [];
    },
  };
}
