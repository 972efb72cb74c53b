/** Answers what gateways ask of the agent (`ep.<endpoint>.ctl`). Every request may come several times. */
import { encodeFrame } from "../protocol/frame.ts";
import { Control, type ControlAnswer, type HeldLease } from "../protocol/messages.ts";
import type { TaskTable } from "./held-task.ts";

export type ControlOptions = {
  epoch: number;
  table: TaskTable;
  cancel(leases: readonly HeldLease[]): void;
  deny(pull: number, batches: readonly number[]): number[];
  drain(drain: boolean): void;
  /** opens the pull anew */
  pull(): void;
};

/** Makes the handler; what it returns is the answer's frame. */
export function createControl(options: ControlOptions): (header: unknown) => Uint8Array {
  const { epoch, table } = options;
  const answer = (body: Omit<ControlAnswer, "epoch">) => encodeFrame({ ...body, epoch });
  return (header) => {
    const parsed = Control.safeParse(header);
    if (!parsed.success) return answer({ ok: false });
    const request = parsed.data;
    switch (request.kind) {
      case "cancel":
        // A lease names one hand-out for ever, so an older epoch's request means the same.
        options.cancel(request.leases);
        return answer({ ok: true });
      case "received?":
        // Pulls are numbered anew in each epoch.
        if (request.epoch !== epoch) return answer({ ok: false });
        return answer({ ok: true, denied: options.deny(request.pull, request.batches) });
      case "drain":
        options.drain(request.drain);
        return answer({ ok: true });
      case "pull":
        options.pull();
        return answer({ ok: true });
      case "watch": {
        const task = table.get(request.task);
        if (task) {
          task.watched = request.watch;
          task.manager?.link?.send({ kind: "watch", task: task.id, watch: request.watch });
        }
        return answer({ ok: true });
      }
    }
  };
}
