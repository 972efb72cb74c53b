/** The agent's keeper of managers, for frames that were recorded from one. */
import { join } from "node:path";
import { uptimeMs } from "../../endpoint-agent/clock.ts";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInbound } from "../../endpoint-agent/inbound.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import { openJournal } from "../../endpoint-agent/journal.ts";
import { createManagers } from "../../endpoint-agent/managers.ts";
import type { ManagerToAgent } from "../../protocol/manager-frames.ts";
import { recordedLink } from "./support.ts";

/** Makes it for the manager that said `hello`; `seen` are the kinds of its other frames, which the agent really handles. */
export async function setUpManagers(dir: string, hello: Extract<ManagerToAgent, { kind: "hello" }>) {
  const table = createTaskTable();
  const interchange = createInterchange(table);
  const seen: string[] = [];
  const outbox = { addResult: () => {}, addStart: () => {} };
  const inbound = createInbound({ table, interchange, outbox: outbox as never, onEnded: () => {}, turn: () => {} });
  const managers = createManagers({
    table,
    interchange,
    journal: await openJournal(join(dir, "journal")),
    log: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never,
    workersPerNode: 2,
    secretOf: (block) => (block === hello.block ? hello.secret : undefined),
    deadlineAt: () => uptimeMs() + 5_000,
    provenDead: () => false,
    onFrame(manager, frame, body) {
      seen.push(frame.kind);
      if (frame.kind === "results") inbound.results(manager, frame, body);
      if (frame.kind === "gave-back") interchange.requeue(manager, frame.leases);
    },
    onChange: () => {},
    onSettled: () => {},
    turn: () => interchange.pump(),
  });
  const link = recordedLink();
  return { link, seen, handlers: managers.accept(link) };
}
