import { describe, expect, it } from "vitest";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import { unstick } from "../../endpoint-agent/unstick.ts";
import { testEntries, testManager, testSpec } from "./support.ts";

/** Managers of two workers, and a function of which one short run was seen: its tasks are sent ahead of their turn. */
function afterOneShortRun(resources?: { cores: number; memoryMb: number; gpus: number }) {
  const interchange = createInterchange(createTaskTable());
  const first = testManager({ block: "first" });
  interchange.attach(first);
  const give = (count: number) => {
    interchange.accept({ specs: [testSpec(resources && { resources })], tasks: testEntries(count) }, new Uint8Array(0));
    interchange.pump();
  };
  give(1);
  for (const task of first.tasks) interchange.ended(task, 1);
  const asked = () => first.link.sent.flatMap(({ frame }) => (frame.kind === "give-back" ? [frame.count] : []));
  const giveBack = (count: number) => {
    const leases = [...first.tasks].slice(-count).map(({ id, lease }) => [id, lease] as [string, number]);
    interchange.requeue(first, leases);
    interchange.pump();
  };
  return { interchange, first, give, asked, giveBack };
}

describe("long tasks of a function whose first run was short", () => {
  it("are given back by the manager that cannot run them, and do not come to it again", () => {
    const { interchange, first, give, asked, giveBack } = afterOneShortRun();
    give(8);
    expect(first.tasks.size).toBe(8);
    unstick(interchange.managers, first.progressAt + 300);
    expect(asked()).toEqual([6]);
    giveBack(6);
    expect(first.tasks.size).toBe(2);

    const second = testManager({ block: "second" });
    interchange.attach(second);
    interchange.pump();
    expect([first.tasks.size, second.tasks.size]).toEqual([2, 2]);
    for (const task of [...first.tasks]) interchange.ended(task, 8_000);
    interchange.pump();
    expect([first.tasks.size, second.tasks.size]).toEqual([2, 2]);
    expect(first.free.places).toBe(0);
  });

  it("are counted by what they need: two of one core each fit where one of two cores does", () => {
    const { interchange, first, give, asked } = afterOneShortRun({ cores: 2, memoryMb: 0, gpus: 0 });
    give(4);
    expect(first.tasks.size).toBe(4);
    unstick(interchange.managers, first.progressAt + 300);
    expect(asked()).toEqual([3]);
  });

  it("are asked for until the manager has what it can run, also when what is left was placed before they were known to be long", () => {
    const { interchange, first, give, asked, giveBack } = afterOneShortRun();
    give(8);
    unstick(interchange.managers, first.progressAt + 300);
    giveBack(5);
    unstick(interchange.managers, first.progressAt + 300);
    expect(asked()).toEqual([6, 1]);
  });

  it("stay while the manager makes progress", () => {
    const { interchange, first, give, asked } = afterOneShortRun();
    give(8);
    unstick(interchange.managers, first.progressAt + 100);
    expect(asked()).toEqual([]);
  });
});
