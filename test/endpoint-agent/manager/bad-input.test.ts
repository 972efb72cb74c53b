/** What comes to a manager and makes no sense: from its agent, as a command's arguments, from an interpreter that is none. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../../../protocol/ids.ts";
import type { AgentToManager } from "../../../protocol/manager-frames.ts";
import type { Encoding } from "../../../protocol/task.ts";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a manager (%s) that is told what makes no sense", (type) => {
  let agent: TestAgent;
  afterEach(() => agent.stop());
  const hellos = () => agent.frames.filter(({ header }) => header.kind === "hello").length;

  it("gives the connection up, does nothing of the frame, and comes back with what it holds", async () => {
    agent = await startTestAgent({ type });
    const file = join(agent.dir, "started");
    const fn = registerProgram(agent, type, "note");
    const [running] = agent.submit(registerProgram(agent, type, "sleep"), [[4_000]]) as [string];
    await agent.until(() => agent.starts.length === 1, "the start");
    const spec = { key: 900, owner: "ann", function: fn };
    const task = { id: newId(), lease: 1, attempt: 0, length: 0 };
    const frames: unknown[] = [
      null,
      [],
      "tasks",
      { kind: 5 },
      { kind: "tasks" },
      { kind: "tasks", specs: [spec], tasks: [{ ...task, spec: 1 }] },
      { kind: "tasks", specs: [spec], tasks: [{ ...task, length: 5 }] },
      { kind: "tasks", specs: [spec], tasks: [{ ...task, length: -5 }] },
      { kind: "tasks", specs: [spec], tasks: [{ ...task, length: undefined, blob: "../../../etc/passwd" }] },
      { kind: "tasks", specs: [{ ...spec, env: { A: 1 } }], tasks: [task] },
      { kind: "tasks", specs: [{ ...spec, resources: { cores: "all" } }], tasks: [task] },
      { kind: "tasks", specs: [spec], tasks: [null] },
      { kind: "cancel", leases: [[running]] },
      { kind: "cancel", leases: running },
      { kind: "taken", message: "all" },
      { kind: "start", id: running, lease: 1 },
      { kind: "welcome", remainingDeadlineMs: 1, keep: null },
      { kind: "beat-answer", sentAt: "now", remainingDeadlineMs: 1e9 },
      { kind: "function", definition: {} },
      { kind: "taken-blob", blob: "x" },
      { kind: "watch", task: 5, watch: true },
    ];
    for (const frame of frames) {
      const before = hellos();
      agent.send(frame as AgentToManager);
      await agent.until(() => hellos() > before, `a hello after ${JSON.stringify(frame)}`);
    }
    expect((await agent.result(running)).value).toBe(4_000);
    expect(existsSync(file)).toBe(false);
    expect(isAlive(agent.manager.pid as number)).toBe(true);
  });

  it("W12: ends the tasks of a function whose definition cannot be read as LOAD_ERROR, on the same connection", async () => {
    agent = await startTestAgent({ type });
    for (const wrong of [null, [], { env: 5 }, { runtime: "cobol" }, { container: { runtime: "podman" } }]) {
      const id = agent.register({ runtime: "command" }, `true ${JSON.stringify(wrong)}`);
      const known = agent.functions.get(id) as { definition: unknown };
      known.definition = wrong && !Array.isArray(wrong) ? { ...(known.definition as object), ...wrong } : wrong;
      expect((await agent.call(id, [])).failure).toEqual({
        code: "LOAD_ERROR",
        message: `the definition that came for function ${id} cannot be read`,
      });
    }
    expect(hellos()).toBe(1);
  });

  it("passes frames of kinds that it does not know over", async () => {
    agent = await startTestAgent({ type });
    agent.send({ kind: "praise", of: "managers" } as unknown as AgentToManager);
    expect((await agent.call(registerProgram(agent, type, "one"), [])).value).toBe(1);
    expect(hellos()).toBe(1);
  });

  it("W12: ends a command whose arguments cannot be read as LOAD_ERROR, and goes on", async () => {
    agent = await startTestAgent({ type });
    const fn = agent.register({ runtime: "command" }, "echo {x}");
    const bytes = (...all: (number | number[])[]) => Uint8Array.from(all.flat());
    const cases: [Encoding, Uint8Array][] = [
      ["json", bytes(0xff)],
      ["json", new TextEncoder().encode("[".repeat(100_000))],
      ["json", new TextEncoder().encode('["x"]')],
      ["raw", bytes(1, 2, 3)],
      ["cbor", bytes(0xff)],
      ["cbor", bytes(0x81, 0xa1, 0x61, 0x78, 0xd9, 0x39)],
      ["cbor", bytes(0x9b, Array(8).fill(0xff))],
      ["cbor", bytes(Array(100_000).fill(0x81))],
      // A day beyond all calendars, an exception that is none, a shape without an array, an array with half a number.
      ["cbor", bytes(0x81, 0xa1, 0x61, 0x78, 0xc1, 0xfb, 0x7e, 0x37, Array(6).fill(0xe4))],
      ["cbor", bytes(0x81, 0xd8, 0x1b, 0x05)],
      ["cbor", bytes(0x81, 0xd8, 0x28, 0x82, 0x81, 0x00, 0x80)],
      ["cbor", bytes(0x81, 0xd8, 0x56, 0x41, 0x00)],
      ["cbor", bytes(0x81, 0xa1, 0x61, 0x78, 0xd9, 0xff, 0xff, 0x00)],
    ];
    for (const [encoding, body] of cases) {
      const id = newId();
      const entry = { id, lease: 1, attempt: 0, encoding, length: body.length };
      agent.send({ kind: "tasks", specs: [{ key: 901, owner: "ann", function: fn }], tasks: [entry] }, [body]);
      const { outcome, started, failure } = await agent.result(id);
      expect([encoding, [...body.subarray(0, 8)], outcome, started, failure?.code]).toEqual([
        encoding,
        [...body.subarray(0, 8)],
        "failed",
        undefined,
        "LOAD_ERROR",
      ]);
    }
    expect((await agent.call(fn, [{ x: "well" }])).value).toMatchObject({ stdout: "well\n" });
    // A day is text to JavaScript, and a date to Python.
    const day = Buffer.concat([bytes(0x81, 0xa1, 0x61, 0x78, 0xd9, 0x03, 0xec, 0x6a), Buffer.from("2024-02-29")]);
    const entry = { id: newId(), lease: 1, attempt: 0, encoding: "cbor" as const, length: day.length };
    agent.send({ kind: "tasks", specs: [{ key: 901, owner: "ann", function: fn }], tasks: [entry] }, [day]);
    expect((await agent.result(entry.id)).value).toMatchObject({ stdout: "2024-02-29\n" });
    expect(hellos()).toBe(1);
  });

  it("B15: an interpreter that writes to the descriptors of workers is tried three times, and what waits is given back", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-no-python-"));
    const script = join(dir, "python3");
    const garbage = "echo garbage that is no frame >&4";
    writeFileSync(script, `#!/bin/sh\necho started >> ${dir}/starts\n${garbage}\nexec sleep 100\n`, { mode: 0o700 });
    agent = await startTestAgent({ type, python: script });
    const id = newId();
    const fn = agent.register({ runtime: "python", entry: "f" }, "def f():\n    return 1\n");
    const entry = { id, lease: 1, attempt: 0, length: 2 };
    agent.send({ kind: "tasks", specs: [{ key: 902, owner: "ann", function: fn }], tasks: [entry] }, [
      Buffer.from("[]"),
    ]);
    expect(await agent.result(id)).toMatchObject({ outcome: "returned" });
    expect(await agent.exited).toBe(0);
    expect(agent.frames.at(-1)?.header).toMatchObject({ kind: "bye", broken: true });
    expect(readFileSync(join(dir, "starts"), "utf8").trim().split("\n").length).toBeLessThanOrEqual(4);
    rmSync(dir, { recursive: true });
  });
});
