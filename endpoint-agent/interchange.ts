/** Places the tasks that this agent holds on managers. */
import type { LeaseEntry, LeaseHeader, LeaseSpec } from "../protocol/batch.ts";
import type { HeldLease } from "../protocol/messages.ts";
import { createAdoptedNodes } from "./adopted-nodes.ts";
import { nowMs, uptimeMs } from "./clock.ts";
import { type HeldTask, heldTask, type TaskTable } from "./held-task.ts";
import type { Manager } from "./manager.ts";
import { place } from "./placement.ts";
import { leaveNodes } from "./placement-on-nodes.ts";
import type { Spreading } from "./placement-packing.ts";
import { createResourceClasses, type ResourceClasses } from "./resource-classes.ts";
import { observeRun, type SpecState } from "./spec-state.ts";
import { createSpecTable, type SpecTable } from "./spec-table.ts";
import { addUnits } from "./units.ts";

export type Interchange = {
  readonly managers: ReadonlySet<Manager>;
  /** how many tasks there are of each resource class */
  readonly classes: ResourceClasses;
  /** bytes of their arguments */
  readonly heldBytes: number;
  /** How long the tasks that are here run, by resource class. */
  runs: SpecTable["runs"];
  /** Takes a batch from the gateway; `body` is kept until its tasks ended. Returns the specs of the batch. */
  accept(header: Pick<LeaseHeader, "specs" | "tasks">, body: Uint8Array): SpecState[];
  attach(manager: Manager): void;
  /** A command that went on over the agent's restart has these hosts. */
  adoptOnNodes(task: HeldTask, hosts: readonly string[]): void;
  /** Forgets a manager and returns the tasks that it had. */
  detach(manager: Manager): HeldTask[];
  /** Frees the task's place. Its lease stays held until the caller removes it from the table. */
  ended(task: HeldTask, ranMs?: number): void;
  /** Puts tasks that a manager gave back to the head of their queues. */
  requeue(manager: Manager, leases: readonly HeldLease[]): void;
  /** Drops what is queued of these, and has managers kill what they have of them. */
  cancel(leases: readonly HeldLease[]): void;
  /** Takes what is queued, of all specs or those that match, out of the queues: to be ended by the caller. */
  takeQueued(which?: (spec: SpecState) => boolean): HeldTask[];
  /** Places what fits, and sends it. */
  pump(): void;
};

/** Makes the interchange of one agent over its table of leases. */
export function createInterchange(table: TaskTable, spreading: Spreading = "spread"): Interchange {
  const managers = new Set<Manager>();
  const classes = createResourceClasses();
  const specs = createSpecTable(classes);
  const adoptedNodes = createAdoptedNodes(managers);
  let heldBytes = 0;

  const leaveManager = (task: HeldTask) => {
    const manager = task.manager;
    if (!manager) return;
    manager.tasks.delete(task);
    if (task.cost) addUnits(manager.free, task.cost, 1);
    if (manager.tasks.size === 0) manager.idleSince = uptimeMs();
    if (task.spec?.class.resources.nodes !== undefined || task.others.length > 0) leaveNodes(task, manager);
    task.manager = undefined;
    task.cost = undefined;
  };
  /** It ends, or is dropped: nothing of it is needed any more but its lease. */
  const finish = (task: HeldTask) => {
    heldBytes -= task.bytes.length;
    task.bytes = NOTHING;
    task.entry = undefined;
    if (!task.spec) return;
    task.spec.unfinished--;
    task.spec.class.unfinished--;
  };
  const unqueue = (dropped: ReadonlySet<HeldTask>) => {
    const touched = new Set<SpecState>();
    for (const task of dropped) if (task.spec) touched.add(task.spec);
    for (const spec of touched) spec.class.queued -= spec.queue.remove((task) => dropped.has(task));
  };

  return {
    managers,
    classes,
    runs: specs.runs,
    get heldBytes() {
      return heldBytes;
    },
    accept(header, body) {
      const states = header.specs.map((spec: LeaseSpec) => specs.of(spec));
      const now = nowMs();
      let offset = 0;
      for (const entry of header.tasks) {
        const state = states[entry.spec ?? 0] as SpecState;
        const length = entry.length ?? 0;
        const task = heldTask(state, entry, body.subarray(offset, offset + length), now);
        offset += length;
        table.add(task);
        specs.waits(state);
        state.queue.push(task);
        state.unfinished++;
        state.class.queued++;
        state.class.unfinished++;
      }
      heldBytes += offset;
      return states;
    },
    attach(manager) {
      managers.add(manager);
      adoptedNodes.attached(manager);
    },
    adoptOnNodes: (task, hosts) => void (task.manager && adoptedNodes.runs(task, task.manager, hosts)),
    detach(manager) {
      managers.delete(manager);
      const tasks = [...manager.tasks];
      for (const task of tasks) leaveManager(task);
      return tasks;
    },
    ended(task, ranMs) {
      if (task.phase === "ended") return;
      if (task.phase === "queued") unqueue(new Set([task]));
      task.phase = "ended";
      leaveManager(task);
      finish(task);
      if (task.spec && ranMs !== undefined) observeRun(task.spec, ranMs);
    },
    requeue(manager, leases) {
      for (let i = leases.length - 1; i >= 0; i--) {
        const [id, lease] = leases[i] as HeldLease;
        const task = table.match(id, lease);
        if (task?.manager !== manager || !task.spec || task.phase !== "placed") continue;
        leaveManager(task);
        task.phase = "queued";
        specs.waits(task.spec);
        task.spec.queue.unshift(task);
        task.spec.class.queued++;
      }
    },
    cancel(leases) {
      const placed = new Map<Manager, HeldLease[]>();
      const dropped = new Set<HeldTask>();
      for (const [id, lease] of leases) {
        const task = table.match(id, lease);
        if (task?.phase === "placed" && task.manager) {
          const own = placed.get(task.manager) ?? [];
          own.push([id, lease]);
          task.unwanted = true;
          placed.set(task.manager, own);
        } else if (task?.phase === "queued") dropped.add(task);
      }
      unqueue(dropped);
      for (const task of dropped) {
        task.phase = "ended";
        finish(task);
        table.remove(task);
      }
      for (const [manager, own] of placed) manager.link?.send({ kind: "cancel", leases: own });
    },
    takeQueued(which = () => true) {
      const taken: HeldTask[] = [];
      for (const spec of specs.waiting()) {
        if (!which(spec)) continue;
        spec.class.queued -= spec.queue.length;
        for (let task = spec.queue.shift(); task; task = spec.queue.shift()) {
          // In no queue any more, so that its end need not look for it there.
          task.phase = "placed";
          taken.push(task);
        }
      }
      return taken;
    },
    pump() {
      const waiting = specs.waiting();
      if (waiting.length === 0 || managers.size === 0) return;
      place(waiting, managers, spreading);
      for (const manager of managers) sendOutgoing(manager);
    },
  };
}

const NOTHING = new Uint8Array(0);

/** One frame with all that was placed on the manager in this turn. */
function sendOutgoing(manager: Manager): void {
  const { specs, tasks } = manager.outgoing;
  if (tasks.length === 0) return;
  const entries: LeaseEntry[] = [];
  const chunks: Uint8Array[] = [];
  for (const task of tasks) {
    const entry = task.entry as LeaseEntry;
    entry.spec = specs.indexOf(task.spec as SpecState);
    entries.push(entry);
    if (task.bytes.length > 0) chunks.push(task.bytes);
  }
  manager.link?.send({ kind: "tasks", specs: specs.map((state) => state.spec), tasks: entries }, chunks);
  for (const task of tasks) if (task.watched) manager.link?.send({ kind: "watch", task: task.id, watch: true });
  specs.length = 0;
  tasks.length = 0;
}
