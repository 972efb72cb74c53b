/** What of a request goes to the audit log. */
import type { Context } from "hono";
import { OPERATIONS, type OperationName } from "../../protocol/operations.ts";
import type { Audit, AuditEntry } from "../audit.ts";
import type { Actor } from "../auth/authorize.ts";
import { isLoopback } from "../auth/host-check.ts";
import type { AddressOf } from "../http/client-address.ts";

type AuditedCall = { context: Context; actor: Actor; params: Record<string, string>; target?: string };

/** Come in floods, and the tasks or blobs themselves tell the rest: folded. */
const FLOODS: readonly OperationName[] = ["submitTasks", "invoke", "putBlob", "endpointCredentials"];
const DENIALS: readonly string[] = ["UNAUTHENTICATED", "FORBIDDEN", "RATE_LIMITED"];

/** The audit of one operation. Reads leave no record unless they were denied. */
export function createCallAudit(
  audit: Audit,
  { action, addressOf }: { action: OperationName; addressOf: AddressOf },
): (call: AuditedCall, outcome: string) => Promise<void> | undefined {
  const { method } = OPERATIONS[action];
  const reads = method === "GET" || method === "HEAD";
  const folds = FLOODS.includes(action);
  return (call, outcome) => {
    const denied = outcome !== "ok" && DENIALS.includes(outcome);
    if (reads && !denied) return undefined;
    const entry: AuditEntry = {
      actor: nameOf(call.actor, addressOf(call.context)),
      action,
      target: call.target ?? pathTarget(call.params),
      outcome,
    };
    if (!folds && !denied) return audit.record(entry);
    audit.fold(entry);
    return undefined;
  };
}

/** Who, and from where unless it is this machine. */
function nameOf(actor: Actor, address: string | undefined): string {
  const name = actor.tokenId === actor.owner ? actor.owner : `${actor.owner}#${actor.tokenId}`;
  return address === undefined || isLoopback(address) ? name : `${name} from ${address}`;
}

function pathTarget(params: Record<string, string>): string {
  return Object.entries(params)
    .map(([kind, value]) => `${kind} ${value.slice(0, 100)}`)
    .join(" ");
}
