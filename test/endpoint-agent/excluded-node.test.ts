import { expect, it } from "vitest";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import type { Manager } from "../../endpoint-agent/manager.ts";
import { createManagers } from "../../endpoint-agent/managers.ts";
import { MANAGER_PROTOCOL, type ManagerToAgent } from "../../protocol/manager-frames.ts";
import { newTaskId, recordedLink, testEntries, testSpec, until } from "./support.ts";

const NONE = new Uint8Array(0);

it("B15: a manager on an excluded node is let go before it has work, and the others of its block get it", async () => {
  const table = createTaskTable();
  const interchange = createInterchange(table);
  const changed: Manager[] = [];
  const managers = createManagers({
    table,
    interchange,
    journal: { state: { managers: new Map() }, append: async () => {} } as never,
    log: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never,
    workersPerNode: 2,
    secretOf: () => "secret",
    deadlineAt: () => 5_000,
    provenDead: () => false,
    isExcluded: (node) => node === "bad",
    onFrame: () => {},
    onChange: (manager) => void changed.push(manager),
    onSettled: () => {},
    turn: () => interchange.pump(),
  });
  const connect = (node: number, host: string, holds: [string, number][] = []) => {
    const link = recordedLink();
    const hello: ManagerToAgent = {
      kind: "hello",
      protocol: MANAGER_PROTOCOL,
      secret: "secret",
      block: "b",
      node,
      nonce: `nonce-${node}`,
      host,
      bootId: "boot",
      pid: 1,
      startTime: "1",
      capacity: { cores: 2, memoryMb: 1_000, gpus: 0 },
      remainingMs: null,
      holds,
    };
    managers.accept(link).frame(hello, NONE);
    return link;
  };
  const bad = connect(0, "bad");
  expect(changed.map(({ unwelcome }) => unwelcome)).toEqual([true]);
  const good = connect(1, "good");
  // What has work from before its node was excluded goes on.
  connect(2, "bad", [[newTaskId(), 1]]);
  await until("both may get work", () => interchange.managers.size === 2);
  interchange.accept({ specs: [testSpec()], tasks: testEntries(3) }, NONE);
  interchange.pump();
  expect(bad.sent.map(({ frame }) => frame.kind)).toEqual(["welcome", "drain"]);
  expect(good.sent.map(({ frame }) => frame.kind)).toContain("tasks");
  expect([...interchange.managers].map(({ hello }) => hello.node)).toEqual([1, 2]);
});
