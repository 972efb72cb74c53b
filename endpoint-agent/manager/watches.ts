/** Live output of the tasks that somebody watches. */
import type { ManagerToAgent } from "../../protocol/manager-frames.ts";
import type { OutputTail } from "./output.ts";
import type { Task } from "./task.ts";

type StreamName = "stdout" | "stderr";

export type Watches = {
  set(task: string, watch: boolean): void;
  /** New output; `before` is how many bytes the stream had until then. */
  output(task: Task, stream: StreamName, bytes: Uint8Array): void;
  /** Sends what a task that is watched from now on had written already. */
  replay(task: Task, stream: StreamName, soFar: OutputTail): void;
  ended(task: Task): void;
};

/** A watcher that does not keep up misses output; the task does not wait for it. */
const MAX_BACKLOG = 4 * 1024 * 1024;
const MAX_CHUNK = 64 * 1024;

/** Sends `log` frames over the link. */
export function createWatches(link: {
  send(frame: ManagerToAgent, chunks?: readonly Uint8Array[]): void;
  backlog(): number;
}): Watches {
  const watched = new Map<string, Record<StreamName, number>>();

  const send = (task: Task, stream: StreamName, offset: number, bytes: Uint8Array) => {
    if (link.backlog() > MAX_BACKLOG) return;
    for (let at = 0; at < bytes.length; at += MAX_CHUNK) {
      const part = bytes.subarray(at, at + MAX_CHUNK);
      link.send({ kind: "log", task: task.id, lease: task.lease, stream, offset: offset + at }, [part]);
    }
  };
  return {
    set(task, watch) {
      if (!watch) watched.delete(task);
      else if (!watched.has(task)) watched.set(task, { stdout: 0, stderr: 0 });
    },
    output(task, stream, bytes) {
      const offsets = watched.get(task.id);
      if (!offsets) return;
      send(task, stream, offsets[stream], bytes);
      offsets[stream] += bytes.length;
    },
    replay(task, stream, { total, head, tail }) {
      const offsets = watched.get(task.id);
      if (!offsets) return;
      send(task, stream, 0, head);
      send(task, stream, total - tail.length, tail);
      offsets[stream] = total;
    },
    ended(task) {
      const offsets = watched.get(task.id);
      if (!offsets) return;
      watched.delete(task.id);
      for (const stream of ["stdout", "stderr"] as const) {
        link.send({ kind: "log", task: task.id, lease: task.lease, stream, offset: offsets[stream], end: true });
      }
    },
  };
}
