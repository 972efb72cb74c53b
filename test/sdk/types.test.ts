import { describe, expectTypeOf, it } from "vitest";
import type { RequestOf } from "../../sdk/http/request.ts";
import type { CommandResult, Farcall, Kwargs, MapResult, kwargs as makeKwargs, Remote, Task } from "../../sdk/index.ts";

declare const farcall: Farcall;
declare const kwargs: typeof makeKwargs;
// Only the types are looked at: nothing of this runs.
const never = (): boolean => false;

describe("types", () => {
  it("of a remote function are the function's own, async ones unwrapped", () => {
    if (!never()) return;
    const square = farcall.function((x: number) => x * x);
    expectTypeOf(square).toEqualTypeOf<Remote<(x: number) => number>>();
    expectTypeOf(square(1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(square.submit(1)).toEqualTypeOf<Task<number>>();
    expectTypeOf(square.submit).parameters.toEqualTypeOf<[x: number]>();
    expectTypeOf(square.with({ retries: 1 })(2)).toEqualTypeOf<Promise<number>>();
    const later = farcall.function(async (text: string, times?: number) => [text, times ?? 1] as const);
    expectTypeOf(later("a")).toEqualTypeOf<Promise<readonly [string, number]>>();
    // @ts-expect-error: a number is not a string
    void later(1);
    // @ts-expect-error: there is no such option
    void square.with({ timeout: 1 });
  });

  it("of a map are those of its items and results", () => {
    if (!never()) return;
    const length = farcall.function(async (text: string) => text.length);
    const results = length.map(["a", "b"], { inFlight: 10, ordered: true });
    expectTypeOf(results.next()).resolves.toEqualTypeOf<IteratorResult<MapResult<number>, void>>();
    // @ts-expect-error: items are strings
    void length.map([1, 2]);
  });

  it("of a map's value and error are told apart when they are taken out of the result", async () => {
    if (!never()) return;
    for await (const { value, error } of farcall.function((x: number) => x).map([1])) {
      if (error !== undefined) throw error;
      expectTypeOf(value).toEqualTypeOf<number>();
    }
  });

  it("of a module are those of its functions", async () => {
    if (!never()) return;
    const statistics = await farcall.module<typeof import("./modules/statistics.ts")>("./modules/statistics.ts");
    expectTypeOf(statistics.summary([1])).resolves.toEqualTypeOf<{ mean: number; count: number }>();
    expectTypeOf(statistics.fromYaml("")).resolves.toEqualTypeOf<unknown>();
    expectTypeOf(statistics).not.toHaveProperty("NAME");
  });

  it("of a command are the fields of its template", () => {
    if (!never()) return;
    const copy = farcall.command("cp {from} {to} && awk '{print $1}' {to}");
    expectTypeOf(copy).parameters.toEqualTypeOf<[fields: Record<"from" | "to", string | number>]>();
    expectTypeOf(copy({ from: "a", to: "b" })).toEqualTypeOf<Promise<CommandResult>>();
    expectTypeOf(farcall.command("uname -a")).parameters.toEqualTypeOf<[]>();
    // @ts-expect-error: a field is missing
    void copy({ from: "a" });
  });

  it("of a Python function are what its caller says", () => {
    if (!never()) return;
    const mean = farcall.python<(xs: number[]) => number>("def mean(xs): ...");
    expectTypeOf(mean([1])).toEqualTypeOf<Promise<number>>();
    expectTypeOf(farcall.python("def f(): ...")("anything", 1)).toEqualTypeOf<Promise<unknown>>();
    const log = farcall.python<(x: number, named?: Kwargs<{ base?: number }>) => number>("def log(x, base=2): ...");
    expectTypeOf(log(8, kwargs({ base: 2 }))).toEqualTypeOf<Promise<number>>();
    // @ts-expect-error: the base is a number
    void log(8, kwargs({ base: "2" }));
    // @ts-expect-error: keyword arguments are made by kwargs
    void log(8, { base: 2 });
  });

  it("of an operation are those of the table: path parameters, query, body and answer", () => {
    if (!never()) return;
    expectTypeOf<RequestOf<"cancelTask">["params"]>().toEqualTypeOf<Record<"task", string>>();
    expectTypeOf(farcall.call("me")).resolves.toHaveProperty("durability");
    expectTypeOf(farcall.call("getTask", { params: { task: "id" } })).resolves.toHaveProperty("attempts");
    // @ts-expect-error: the path needs a task
    void farcall.call("getTask");
    // @ts-expect-error: there is no such order
    void farcall.call("listTasks", { query: { order: "biggest" } });
  });
});
