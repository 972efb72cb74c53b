/** What a handler is given and what it may answer. The operation's entry in the table types both. */
import type { Context } from "hono";
import type { Frame } from "../../protocol/frame.ts";
import type { OperationName, ParsedBodyOf, ParsedQueryOf, ResponseOf } from "../../protocol/operations.ts";
import type { Actor } from "../auth/authorize.ts";

/** One request, parsed and checked. */
export type Call<N extends OperationName> = {
  context: Context;
  actor: Actor;
  params: Record<string, string>;
  query: ParsedQueryOf<N>;
  /** checked by the operation's schema; for a frame undefined, and `frame` is there instead */
  body: ParsedBodyOf<N>;
  frame?: Frame;
  /** names what the request touched for the audit log, when the path does not say it */
  target?: string;
};

/** A value becomes JSON with the operation's status; a Response goes out as it is. */
export type Handler<N extends OperationName> = (
  call: Call<N>,
) => Response | ResponseOf<N> | Promise<Response | ResponseOf<N>>;

/** A handler for every operation there is: one that is missing does not compile. */
export type Handlers = { [N in OperationName]: Handler<N> };

/** The value of a path parameter of the operation. */
export function param(call: { params: Record<string, string> }, name: string): string {
  return call.params[name] as string;
}
