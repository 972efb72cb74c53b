import { describe, expect, it } from "vitest";
import { createControl } from "../../endpoint-agent/control.ts";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import { unstick } from "../../endpoint-agent/unstick.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import type { HeldLease } from "../../protocol/messages.ts";
import { testEntries, testManager, testSpec } from "./support.ts";

const NONE = new Uint8Array(0);

function setUp() {
  const table = createTaskTable();
  const cancelled: HeldLease[] = [];
  const drained: boolean[] = [];
  let pulls = 0;
  const control = createControl({
    epoch: 4,
    table,
    cancel: (leases) => void cancelled.push(...leases),
    deny: (_pull, batches) => batches.filter((batch) => batch > 1),
    drain: (drain) => void drained.push(drain),
    pull: () => void pulls++,
  });
  const ask = (header: unknown) => decodeFrame(control(header)).header;
  return { table, cancelled, drained, pulls: () => pulls, ask };
}

describe("control requests", () => {
  it("rule 12: cancel, as often as they come", () => {
    const { ask, cancelled } = setUp();
    const request = { kind: "cancel", epoch: 4, leases: [["a", 1]] };
    expect([ask(request), ask(request)]).toEqual([
      { ok: true, epoch: 4 },
      { ok: true, epoch: 4 },
    ]);
    expect(cancelled).toEqual([
      ["a", 1],
      ["a", 1],
    ]);
  });

  it("rule 8: tell which batches did not arrive, of this epoch only", () => {
    const { ask } = setUp();
    const request = { kind: "received?", pull: 1, batches: [1, 2] };
    expect(ask({ ...request, epoch: 4 })).toEqual({ ok: true, epoch: 4, denied: [2] });
    expect(ask({ ...request, epoch: 3 })).toEqual({ ok: false, epoch: 4 });
  });

  it("open the pull anew, for a gateway that has started", () => {
    const { ask, pulls } = setUp();
    expect(ask({ kind: "pull", epoch: 0 })).toEqual({ ok: true, epoch: 4 });
    expect(pulls()).toBe(1);
  });

  it("drain and take that back; what is no request is refused", () => {
    const { ask, drained } = setUp();
    ask({ kind: "drain", epoch: 4, drain: true });
    ask({ kind: "drain", epoch: 4, drain: false });
    expect(drained).toEqual([true, false]);
    for (const wrong of [null, {}, { kind: "cancel", epoch: 4, leases: "all" }, { kind: "explode", epoch: 4 }]) {
      expect(ask(wrong)).toEqual({ ok: false, epoch: 4 });
    }
  });

  it("rule 16: ask for a task's output, also of one that has no worker yet", () => {
    const { ask, table } = setUp();
    const manager = testManager({ cores: 1 });
    const interchange = createInterchange(table);
    interchange.attach(manager);
    const tasks = testEntries(2);
    interchange.accept({ specs: [testSpec()], tasks }, NONE);
    interchange.pump();
    const [placed, queued] = tasks.map(({ id }) => id) as [string, string];
    ask({ kind: "watch", epoch: 4, task: placed, watch: true });
    ask({ kind: "watch", epoch: 4, task: queued, watch: true });
    const watches = () => manager.link.sent.map(({ frame }) => frame).filter(({ kind }) => kind === "watch");
    expect(watches()).toEqual([{ kind: "watch", task: placed, watch: true }]);
    for (const task of [...manager.tasks]) interchange.ended(task);
    interchange.pump();
    expect(watches()).toContainEqual({ kind: "watch", task: queued, watch: true });
  });
});

describe("short functions that turn out to be long", () => {
  it("are taken back from a manager that makes no progress, and placed one by one from then on", () => {
    const table = createTaskTable();
    const interchange = createInterchange(table);
    const manager = testManager({ cores: 1 });
    interchange.attach(manager);
    interchange.accept({ specs: [testSpec()], tasks: testEntries(50) }, NONE);
    interchange.pump();
    for (const task of [...manager.tasks]) interchange.ended(task, 0.1);
    interchange.pump();
    expect(manager.tasks.size).toBe(49);
    const { progressAt } = manager;
    unstick([manager], progressAt + 100);
    expect(manager.link.sent.some(({ frame }) => frame.kind === "give-back")).toBe(false);
    unstick([manager], progressAt + 400);
    expect(manager.link.sent.at(-1)?.frame).toEqual({ kind: "give-back", count: 48 });
    const back = [...manager.tasks].slice(1).map(({ id, lease }): HeldLease => [id, lease]);
    interchange.requeue(manager, back);
    const other = testManager({ cores: 1 });
    interchange.attach(other);
    interchange.pump();
    expect([manager.tasks.size, other.tasks.size]).toEqual([1, 1]);
  });
});
