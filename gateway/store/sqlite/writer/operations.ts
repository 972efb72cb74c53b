/** All write operations over one connection. Each throws an ApiError before it writes anything, or does not throw one at all. */
import type { OpenPull, StoreStats } from "../../port.ts";
import type { PoppedMessage } from "../messages.ts";
import { CODE } from "../states.ts";
import { createAgentOps } from "./agents.ts";
import type { Base } from "./base.ts";
import { createBlobs } from "./blobs.ts";
import { createCredentialOps } from "./credentials.ts";
import type { Disk } from "./disk.ts";
import { createEndings } from "./endings.ts";
import { createHandOutEnds } from "./hand-out-ends.ts";
import { createPopper } from "./pop.ts";
import { createRegistryOps } from "./registry.ts";
import { createReport } from "./report.ts";
import { createRetention } from "./retention.ts";
import { createSelecting } from "./selection.ts";
import { createSubmit } from "./submit.ts";
import { createSuperseded } from "./superseded.ts";
import { createTransitions } from "./transitions.ts";

/** Composes the operations. */
export function createOperations(base: Base, disk: Disk) {
  const pop = createPopper(base);
  const blobs = createBlobs(base);
  const credentials = createCredentialOps(base);
  const superseded = createSuperseded(base);
  const transitions = createTransitions(base);
  const selecting = createSelecting(base);
  const ends = createHandOutEnds(base, transitions);
  const byState = base.db.prepare(
    `select ${Object.keys(CODE)
      .map((state) => `coalesce(sum(${state}), 0) as ${state}`)
      .join(", ")} from counts`,
  );
  return {
    submit: createSubmit(base, { pop, blobs, admit: disk.admit }),
    report: createReport(base, { transitions, ends, superseded, blobs, pop }),
    pop({ pulls }: { pulls: OpenPull[] }): { popped: PoppedMessage[]; queued: string[] } {
      const popped = pop(pulls);
      const queued = pulls.filter(({ endpoint }) => (base.endpoints.byId(endpoint)?.queues.size ?? 0) > 0);
      return { popped, queued: queued.map(({ endpoint }) => endpoint) };
    },
    lastSequence: () => base.events.last(),
    /** What the writer knows for StoreStats; the committer adds its own numbers. */
    stats: () => ({
      byState: byState.get() as StoreStats["byState"],
      phases: base.phases.snapshot(),
      ...disk.stats(),
    }),
    ...createAgentOps(base, ends),
    ...createEndings(base, { transitions, selecting, credentials }),
    ...createRetention(base, blobs),
    ...createRegistryOps(base, credentials),
    ...blobs.ops,
    ...credentials.ops,
  };
}

export type Operations = ReturnType<typeof createOperations>;
export type OperationName = keyof Operations;
export type Input<N extends OperationName> = Parameters<Operations[N]>[0];
export type Output<N extends OperationName> = ReturnType<Operations[N]>;
