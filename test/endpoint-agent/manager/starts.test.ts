import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { type ProgramName, registerProgram } from "./programs.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("starts (%s)", (type) => {
  let agent: TestAgent;
  const program = (name: ProgramName) => registerProgram(agent, type, name);
  afterEach(() => agent.stop());
  const runs = (file: string) => (existsSync(file) ? readFileSync(file, "utf8").length : 0);

  it("rule 10: an at-most-once task is handed over only when its start is committed", async () => {
    agent = await startTestAgent({ type, holdStarts: true });
    const file = join(agent.dir, "runs");
    const fn = program("note");
    const [id, other] = agent.submit(fn, [[file], [file]], { delivery: "at-most-once" }) as [string, string];
    await agent.until(() => agent.starts.length === 2, "both asked for");
    // Time in which a manager that did not wait would have run them.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(runs(file)).toBe(0);
    agent.send({ kind: "start", id, lease: 1, go: true });
    expect(await agent.result(id)).toMatchObject({ outcome: "succeeded", started: true });
    agent.send({ kind: "start", id: other, lease: 1, go: false });
    expect((await agent.call(fn, [file])).outcome).toBe("succeeded");
    expect(agent.results.has(`${other}.1`)).toBe(false);
    expect(runs(file)).toBe(2);
  });

  it("rule 10: so is a command", async () => {
    agent = await startTestAgent({ type, holdStarts: true });
    const file = join(agent.dir, "runs");
    const command = agent.register({ runtime: "command" }, "printf x >> {file}");
    const [id] = agent.submit(command, [[{ file }]], { delivery: "at-most-once" }) as [string];
    await agent.until(() => agent.starts.length === 1, "its start is asked for");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(runs(file)).toBe(0);
    agent.send({ kind: "start", id, lease: 1, go: true });
    expect((await agent.result(id)).outcome).toBe("succeeded");
    expect(runs(file)).toBe(1);
  });

  it("rule 10: a start is asked for again after a reconnect, and one answer counts once", async () => {
    agent = await startTestAgent({ type, holdStarts: true });
    const file = join(agent.dir, "runs");
    const fn = program("note");
    const [id] = agent.submit(fn, [[file]], { delivery: "at-most-once" }) as [string];
    await agent.until(() => agent.starts.length === 1, "its start");
    await agent.disconnect();
    await agent.listen();
    await agent.until(() => agent.starts.length === 2, "its start again");
    agent.send({ kind: "start", id, lease: 1, go: true });
    agent.send({ kind: "start", id, lease: 1, go: true });
    await agent.result(id);
    expect(runs(file)).toBe(1);
  });

  it("rule 10: other starts are reported once a task runs for 50 ms, shorter ones never", async () => {
    agent = await startTestAgent({ type });
    const file = join(agent.dir, "runs");
    const fn = program("note");
    for (let i = 0; i < 5; i++) await agent.call(fn, [file]);
    agent.starts.length = 0;
    const [id] = agent.submit(fn, [[file, 400]]) as [string];
    const start = await agent.until(() => agent.starts[0], "its start");
    expect([start.id, agent.results.has(`${id}.1`)]).toEqual([id, false]);
    expect(start).toMatchObject({ block: "block-1", worker: expect.stringMatching(/^(javascript|python)-/) });
    for (let i = 0; i < 20; i++) await agent.call(fn, [file]);
    expect(agent.starts.filter((other) => other.id !== id && !agent.results.has(`${other.id}.1`))).toEqual([]);
  });

  it("takes tasks back that a worker holds behind a long one, and runs them elsewhere", async () => {
    agent = await startTestAgent({ type });
    const fn = program("busy");
    for (let i = 0; i < 3; i++) await agent.call(fn, [0]);
    const ids = agent.submit(fn, [[3_000], ...Array.from({ length: 60 }, () => [0])]);
    for (const id of ids.slice(1)) await agent.result(id);
    expect(agent.results.has(`${ids[0]}.1`)).toBe(false);
    expect((await agent.result(ids[0] as string)).value).toBe(3_000);
  });

  it("cancels what waits, what is held and what runs, within 2 s", async () => {
    agent = await startTestAgent({ type });
    const file = join(agent.dir, "runs");
    const fn = program("stubbornNote");
    const ids = agent.submit(
      fn,
      Array.from({ length: 6 }, () => [file]),
    );
    await agent.until(() => runs(file) === 2, "two runs");
    agent.send({ kind: "cancel", leases: ids.map((id) => [id, 1]) });
    const results = await Promise.all(ids.map((id) => agent.result(id)));
    const ends = results.map(({ outcome, started, failure }) => [outcome, started ?? false, failure?.code].join(" "));
    expect(ends.filter((end) => end === "failed true CANCELLED")).toHaveLength(2);
    expect(ends.filter((end) => end === "returned false ")).toHaveLength(4);
    for (const { ranMs } of results) expect(ranMs ?? 0).toBeLessThan(20_000);
    const quick = program("one");
    expect((await agent.call(quick, [])).value).toBe(1);
  });

  it("gives back what no worker has started, when asked", async () => {
    agent = await startTestAgent({ type });
    const fn = program("sleep");
    const ids = agent.submit(
      fn,
      Array.from({ length: 10 }, () => [800]),
    );
    await agent.until(() => agent.starts.length === 2, "two starts");
    agent.send({ kind: "give-back", count: 5 });
    const given = await agent.until(
      () => agent.frames.flatMap(({ header }) => (header.kind === "gave-back" ? [header.leases] : []))[0],
      "gave-back",
    );
    expect(given.map(([id]) => id).sort()).toEqual(ids.slice(5).sort());
    for (const id of ids.slice(0, 5)) expect((await agent.result(id)).value).toBe(800);
    expect(ids.slice(5).some((id) => agent.results.has(`${id}.1`))).toBe(false);
  });

  it("drains: finishes what runs, returns the rest, says bye and exits", async () => {
    agent = await startTestAgent({ type });
    const fn = program("sleep");
    const ids = agent.submit(
      fn,
      Array.from({ length: 6 }, () => [500]),
    );
    await agent.until(() => agent.starts.length === 2, "two starts");
    agent.send({ kind: "drain" });
    expect(await agent.exited).toBe(0);
    const outcomes = ids.map((id) => agent.results.get(`${id}.1`)?.outcome);
    expect(outcomes.filter((outcome) => outcome === "succeeded")).toHaveLength(2);
    expect(outcomes.filter((outcome) => outcome === "returned")).toHaveLength(4);
    expect(agent.frames.some(({ header }) => header.kind === "bye")).toBe(true);
  });

  it("B4: on SIGTERM lets what runs come to its end, returns the rest, and exits", async () => {
    agent = await startTestAgent({ type });
    const file = join(agent.dir, "runs");
    const fn = program("note");
    const ids = agent.submit(fn, [
      [file, 1_000],
      [file, 1_000],
      [file, 1_000],
    ]);
    await agent.until(() => runs(file) === 2, "two runs");
    agent.manager.kill("SIGTERM");
    const late = agent.submit(fn, [[file]]);
    expect(await agent.exited).toBe(0);
    const outcomes = [...ids, ...late].map((id) => agent.results.get(`${id}.1`)?.outcome);
    expect(outcomes.sort()).toEqual(["returned", "returned", "succeeded", "succeeded"]);
    expect(runs(file)).toBe(2);
  });
});
