/** Leases that agents must kill, because their task ended otherwise (PROTOCOL.md rule 12). */
import type { HeldLease } from "../../protocol/messages.ts";
import type { Kill } from "../store/port.ts";
import type { Controls } from "./control.ts";

export type Kills = { add(kills: readonly Kill[]): void };

/** 50 bytes each, so that the request stays far below the largest message. */
const MAX_LEASES = 4_000;
/** What is not answered by then shows in the heartbeat's digest. */
const ASK_WITHIN_MS = 60_000;

/** Gathers what one burst of transactions kills into few requests. */
export function createKills(controls: Controls): Kills {
  const gathered = new Map<string, { epoch: number; leases: HeldLease[] }>();

  function flush(): void {
    for (const [endpoint, { epoch, leases }] of gathered) {
      for (let from = 0; from < leases.length; from += MAX_LEASES) {
        const part = leases.slice(from, from + MAX_LEASES);
        void controls.ask(endpoint, { kind: "cancel", leases: part }, { epoch, withinMs: ASK_WITHIN_MS });
      }
    }
    gathered.clear();
  }

  return {
    add(kills) {
      if (kills.length === 0) return;
      if (gathered.size === 0) setImmediate(flush);
      for (const { endpoint, epoch, lease } of kills) {
        const ofEndpoint = gathered.get(endpoint);
        if (ofEndpoint) ofEndpoint.leases.push(lease);
        else gathered.set(endpoint, { epoch, leases: [lease] });
      }
    },
  };
}
