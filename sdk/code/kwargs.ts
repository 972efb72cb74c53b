/** Keyword arguments of Python functions, written as the last argument of a call. */
import { ApiError } from "../../protocol/errors.ts";
import type { FunctionDefinition } from "../../protocol/function.ts";

/**
 * Keyword arguments; made by `kwargs`. As a type it says what a Python function takes by name.
 *
 * @example
 * const power = farcall.python<(x: number, options?: Kwargs<{ base?: number }>) => number>(source);
 */
export class Kwargs<T extends object = Record<string, unknown>> {
  readonly #values: Readonly<T>;
  constructor(values: Readonly<T>) {
    // As anywhere in JavaScript, what is undefined is not given.
    this.#values = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
  }
  /** The arguments by name. */
  get values(): Readonly<T> {
    return this.#values;
  }
  /** Anywhere but at the end of a call they mean nothing, and are refused. */
  toJSON(): never {
    throw new TypeError("keyword arguments come last in a call, and not inside of other values");
  }
}

/**
 * Keyword arguments for a Python function: the last argument of a call, or an item of a map.
 *
 * @example
 * const log = farcall.python("import math\ndef log(x, base=math.e):\n    return math.log(x, base)");
 * await log(1000, kwargs({ base: 10 })); // 3
 */
export function kwargs<const T extends object>(values: T): Kwargs<T> {
  return new Kwargs(values);
}

/** What goes over the wire: the positional arguments, or `{ args, kwargs }`. Throws BAD_REQUEST. */
export function payloadOf(runtime: FunctionDefinition["runtime"] | undefined, args: readonly unknown[]): unknown {
  const last = args[args.length - 1];
  if (!(last instanceof Kwargs)) return args;
  // Of a registered function nothing is known yet; its worker says the same.
  if (runtime !== undefined && runtime !== "python") throw new ApiError("BAD_REQUEST", refusal(runtime));
  return { args: args.slice(0, -1), kwargs: last.values };
}

function refusal(runtime: Exclude<FunctionDefinition["runtime"], "python">): string {
  const instead = { javascript: "an object as an argument", command: "the template's fields as one object" }[runtime];
  return `keyword arguments are for Python functions, and this is a ${runtime} function: pass ${instead}`;
}
