/** What an agent takes from the gateway: as much as its slots hold, and what none of its nodes can ever hold, to say so. */

import type { Settings } from "./config.ts";
import { crashPoint } from "./crash-point.ts";
import { hopelessEntry, returnedEntry } from "./ends.ts";
import type { GatewayWire } from "./gateway-wire.ts";
import type { Interchange } from "./interchange.ts";
import { createPull, type PullLink, type PullOptions } from "./pull.ts";
import { tasksPerBlock } from "./scaler.ts";
import { roomFor } from "./window.ts";
import type { WorkEnds } from "./work-ends.ts";

export type IntakeParts = Pick<PullOptions, "epoch" | "onWaiting" | "onSuperseded"> & {
  wire: Pick<GatewayWire, "pull" | "credit">;
  interchange: Interchange;
  settings: Pick<Settings, "policy" | "node">;
  /** nothing new is asked for */
  closed(): boolean;
  /** what comes all the same goes back */
  draining(): boolean;
  end: WorkEnds["end"];
  turn(): void;
};

/** Makes the pulls of an epoch over the interchange. */
export function createIntake(parts: IntakeParts): PullLink {
  const { epoch, wire, interchange, settings, end, onWaiting, onSuperseded } = parts;
  const { policy, node } = settings;
  const hopeless = (classKey: string) => tasksPerBlock(classKey, settings) === 0;
  return createPull({
    epoch,
    publish: wire,
    roomOf: (classKey, recent) =>
      roomFor(interchange.classes.of(classKey), {
        managers: interchange.managers,
        classes: interchange.classes.all(),
        heldBytes: interchange.heldBytes,
        recent,
        closed: parts.closed(),
        hopeless: hopeless(classKey),
      }),
    countUpTo: () => policy.maxBlocks * policy.nodesPerBlock * policy.workersPerNode,
    onTasks(header, body) {
      if (interchange.accept(header, body).some((spec) => hopeless(spec.class.key))) {
        end(
          interchange.takeQueued((spec) => hopeless(spec.class.key)),
          (task) => hopelessEntry(task, { node, nodesPerBlock: policy.nodesPerBlock }),
        );
      }
      if (parts.draining()) end(interchange.takeQueued(), returnedEntry);
      crashPoint("tasks-received");
      parts.turn();
    },
    onWaiting,
    onSuperseded,
  });
}
