/**
 * What every store must do, named by the rules of the protocol and the rows of the fault table. An adapter runs it with one
 * line; nothing in here knows which database is behind the port.
 */
import { describe } from "vitest";
import { agentRules } from "./conformance/agents.ts";
import { attemptRules } from "./conformance/attempts.ts";
import { blobRules } from "./conformance/blobs.ts";
import { endingRules } from "./conformance/endings.ts";
import { eventRules } from "./conformance/events.ts";
import { limitRules } from "./conformance/limits.ts";
import { listRules } from "./conformance/lists.ts";
import { modelRules } from "./conformance/model.ts";
import { queueRules } from "./conformance/queue.ts";
import { registryRules } from "./conformance/registry.ts";
import { reportRules } from "./conformance/report.ts";
import { restartRules } from "./conformance/restart.ts";
import { retentionRules } from "./conformance/retention.ts";
import { submitRules } from "./conformance/submit.ts";
import { takenRules } from "./conformance/taken.ts";
import type { OpenStore } from "./conformance/world.ts";

export type { OpenStore } from "./conformance/world.ts";

/** Runs the suite over the stores that `open` makes. */
export function storeConformance(name: string, open: OpenStore): void {
  describe(`${name} store`, () => {
    submitRules(open);
    limitRules(open);
    queueRules(open);
    reportRules(open);
    attemptRules(open);
    takenRules(open);
    agentRules(open);
    endingRules(open);
    eventRules(open);
    listRules(open);
    retentionRules(open);
    blobRules(open);
    registryRules(open);
    restartRules(open);
    modelRules(open);
  });
}
