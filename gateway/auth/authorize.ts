/** Who may do what. Every handler asks this one function; what it does not allow is denied. */
import { ApiError } from "../../protocol/errors.ts";
import { OPERATIONS, type OperationName, type Scope } from "../../protocol/operations.ts";

/** Who makes a request: a token, or the local user where that is allowed. */
export type Actor = {
  tokenId: string;
  owner: string;
  scopes: readonly Scope[];
  /** the endpoint that an agent's token is bound to */
  endpoint: string | null;
  /** aborts when the token is revoked or expires: open streams end with it */
  revoked: AbortSignal;
};

/** What an action touches. `endpoint`: the endpoint itself, or the one a task is placed at. */
export type Resource = {
  kind: "function" | "endpoint" | "task" | "blob";
  name: string;
  owner: string;
  endpoint?: string;
};

/**
 * Lets the actor pass, or throws: FORBIDDEN when no scope of its fits the operation, NOT_FOUND when the resource is not
 * visible to it (never FORBIDDEN there: that would tell that it exists).
 */
export function authorize(actor: Actor, action: OperationName, resource?: Resource): void {
  if (!hasScope(actor, action)) {
    const wanted = OPERATIONS[action].scope as readonly Scope[];
    throw new ApiError(
      "FORBIDDEN",
      `${action} needs the scope ${wanted.join(" or ")}; this token has ${actor.scopes.join(", ")}`,
      {
        details: { scopes: wanted },
      },
    );
  }
  if (resource !== undefined && !isVisible(actor, resource)) throw notFound(resource.kind, resource.name);
}

/** The error for what does not exist or is not visible; both look alike from outside. */
export function notFound(kind: string, name: string): ApiError {
  return new ApiError("NOT_FOUND", `no ${kind} ${JSON.stringify(name.slice(0, 128))} is visible to this token`);
}

/** The owner that lists are narrowed to: none for an admin. */
export function ownerFilter(actor: Actor): string | null {
  return isAdmin(actor) ? null : actor.owner;
}

/** Whether the actor sees what every owner has. */
export function isAdmin(actor: Actor): boolean {
  return actor.scopes.includes("admin");
}

/** Whether the resource exists for this actor: an agent sees what is its endpoint's, others what is their owner's. */
export function isVisible(actor: Actor, resource: Omit<Resource, "name" | "kind">): boolean {
  if (isAdmin(actor)) return true;
  if (actor.endpoint !== null) return resource.endpoint === actor.endpoint;
  return resource.owner === actor.owner;
}

function hasScope(actor: Actor, action: OperationName): boolean {
  const wanted: readonly Scope[] | null = OPERATIONS[action].scope;
  if (wanted === null) return true;
  for (const scope of wanted) {
    if (actor.scopes.includes(scope)) return true;
    if (scope !== "agent" && isAdmin(actor)) return true;
  }
  return false;
}
