/** Epochs, pulls and leases of agents (PROTOCOL.md rules 5, 8, 9, 11, 17, 21). */
import { ApiError, type ErrorCode } from "../../../../protocol/errors.ts";
import type { HeldLease, Hello } from "../../../../protocol/messages.ts";
import type { Effects } from "../../port.ts";
import { CODE } from "../states.ts";
import type { Base } from "./base.ts";
import type { End, HandOutEnds } from "./hand-out-ends.ts";
import type { Endpoint, Task } from "./model.ts";

/** Prepares the operations that agents cause. */
export function createAgentOps(base: Base, ends: HandOutEnds) {
  const { db, endpoints } = base;
  const helloRow = db.prepare("select hello from endpoints where id = ?");
  const setEpoch = db.prepare("update endpoints set epoch = ?, pull = 0, hello = ? where id = ?");
  const setPull = db.prepare("update endpoints set pull = ? where id = ?");

  /** Ends the hand-outs of `tasks` and gathers what follows. */
  function endAll(tasks: Iterable<Task>, end: (task: Task) => End): Effects {
    const effects: Effects = { events: [], kills: [], queued: [] };
    const queued = new Set<string>();
    for (const task of tasks) {
      const event = ends.end(task, end(task));
      if (event) effects.events.push(event);
      if (task.state === CODE.queued) queued.add(task.spec.endpoint.id);
    }
    effects.queued = [...queued];
    return effects;
  }

  return {
    startEpoch({ endpoint: id, hello, previousAnswers }: { endpoint: string; hello: Hello; previousAnswers: boolean }) {
      const endpoint = existing(endpoints.byId(id), id);
      const text = (helloRow.get(id) as { hello: string | null }).hello;
      const previous = text === null ? null : { epoch: endpoint.epoch, hello: JSON.parse(text) as Hello };
      if (previousAnswers && previous && previous.hello.host !== hello.host && !hello.takeOver) {
        throw new ApiError(
          "ENDPOINT_IN_USE",
          `an agent on ${previous.hello.host} (pid ${previous.hello.pid}) still answers for endpoint ${endpoint.name}`,
          { details: { host: previous.hello.host, epoch: endpoint.epoch } },
        );
      }
      endpoint.epoch++;
      endpoint.pull = 0;
      setEpoch.run(endpoint.epoch, JSON.stringify(hello), id);
      return { epoch: endpoint.epoch, previous };
    },
    epochOf: ({ endpoint }: { endpoint: string }): number | undefined => endpoints.byId(endpoint)?.epoch,
    openPull({ endpoint: id, epoch, pull }: { endpoint: string; epoch: number; pull: number }): boolean {
      const endpoint = endpoints.byId(id);
      if (!endpoint || endpoint.epoch !== epoch || pull < endpoint.pull) return false;
      if (pull > endpoint.pull) setPull.run(pull, id);
      endpoint.pull = pull;
      return true;
    },
    takeBack({ endpoint: id, leases }: { endpoint: string; leases: HeldLease[] }): Effects {
      const endpoint = endpoints.byId(id);
      const tasks = leases.flatMap(([taskId, lease]) => {
        const task = endpoint?.leases.get(taskId);
        return task && task.lease === lease && task.state === CODE.leased ? [task] : [];
      });
      return endAll(tasks, () => ({ outcome: "returned", started: false }));
    },
    leasesOf({ endpoint: id, beforeMs }: { endpoint: string; beforeMs: number }): HeldLease[] {
      const held: HeldLease[] = [];
      for (const task of endpoints.byId(id)?.leases.values() ?? []) {
        if (task.leasedAt < beforeMs) held.push([task.id, task.lease]);
      }
      return held;
    },
    reconcile({ endpoint: id, held, beforeMs }: { endpoint: string; held: HeldLease[]; beforeMs: number }) {
      const endpoint = endpoints.byId(id);
      const kill = held.filter(([taskId, lease]) => endpoint?.leases.get(taskId)?.lease !== lease);
      const holds = new Map(held);
      const lost = [...(endpoint?.leases.values() ?? [])].filter(
        (task) => task.leasedAt < beforeMs && holds.get(task.id) !== task.lease,
      );
      return { ...endAll(lost, forgotten), kill };
    },
    releaseAll({ endpoint: id, reason, message }: { endpoint: string; reason: ErrorCode; message: string }) {
      const tasks = [...(endpoints.byId(id)?.leases.values() ?? [])];
      const failure = { code: reason, message };
      return { ...endAll(tasks, (task) => released(task, failure)), released: tasks.length };
    },
    waiting({ endpoint: id, countUpTo }: { endpoint: string; countUpTo: number }): Record<string, number> {
      const classes: Record<string, number> = {};
      for (const [className, queues] of endpoints.byId(id)?.queues ?? []) {
        const count = queues.reduce((sum, queue) => sum + queue.queued, 0);
        classes[className] = Math.min(count, countUpTo);
      }
      return classes;
    },
    setDraining({ endpoint: id, draining }: { endpoint: string; draining: boolean }): void {
      const endpoint = existing(endpoints.byId(id), id);
      db.prepare("update endpoints set draining = ? where id = ?").run(draining ? 1 : 0, id);
      endpoint.draining = draining;
    },
  };
}

/** The endpoint, or NOT_FOUND. */
export function existing(endpoint: Endpoint | undefined, id: string): Endpoint {
  if (!endpoint) throw new ApiError("NOT_FOUND", `no endpoint ${id} is registered`);
  return endpoint;
}

/** The agent does not know the task: it never got it, or lost it after its start. */
function forgotten(task: Task): End {
  if (task.state === CODE.leased) return { outcome: "returned", started: false };
  return { outcome: "lost", failure: { code: "MANAGER_LOST", message: "the agent does not know the task any more" } };
}

/**
 * Everything at the endpoint is dead. Whether a leased task had started is not known, which counts as an attempt (rule 11);
 * but an at-most-once task whose start is not committed was never handed to a worker (rule 10).
 */
function released(task: Task, failure: { code: ErrorCode; message: string }): End {
  const started = task.state === CODE.leased && task.spec.atMostOnce ? false : undefined;
  return { outcome: "lost", failure, started };
}
