/** The shape of a request to an operation of the table, and how it becomes a URL. */
import { ApiError } from "../../protocol/errors.ts";
import type { BodyOf, OPERATIONS, OperationName, QueryOf } from "../../protocol/operations.ts";

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;
type PathOf<N extends OperationName> = (typeof OPERATIONS)[N]["path"];
type Optional<Key extends string, T> = [T] extends [never] ? unknown : { [K in Key]?: T };

/** What an operation needs: the `{…}` of its path by name, its query and its body. */
export type RequestOf<N extends OperationName> = Optional<"query", QueryOf<N>> &
  Optional<"body", BodyOf<N>> &
  ([ParamNames<PathOf<N>>] extends [never] ? unknown : { params: Record<ParamNames<PathOf<N>>, string> }) & {
    signal?: AbortSignal;
  };

/** The operations that can be called without saying anything. */
export type BareOperation = {
  [N in OperationName]: Record<never, never> extends RequestOf<N> ? N : never;
}[OperationName];

export type LooseRequest = {
  params?: Record<string, string>;
  query?: unknown;
  body?: unknown;
  signal?: AbortSignal;
};

/** Fills in a path's parameters and appends the query; a list becomes a repeated parameter. */
export function buildPath(path: string, { params = {}, query }: LooseRequest): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (typeof value !== "string" || value === "") {
      throw new ApiError("BAD_REQUEST", `${name} is ${JSON.stringify(value) ?? "missing"}; expected its id or name`);
    }
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, unknown>)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) search.append(name, String(item));
    }
  }
  const text = search.toString();
  return text === "" ? filled : `${filled}?${text}`;
}
