/** What goes between the gateway's thread and the store's threads. */
import type { ErrorBody } from "../../../protocol/errors.ts";

/** A call of an operation. `now` is the store's clock at the call. */
export type Call = { n: number; op: string; now: number; input: unknown };
export type Reply = { n: number; value?: unknown; error?: ErrorBody };

export type FromThread =
  | { kind: "ready"; info: { generation: string } }
  /** it could not start */
  | { kind: "failed"; error: ErrorBody }
  | { kind: "replies"; replies: Reply[] };
