import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { inlineCode, inlineModule } from "../../sdk/code/inline.ts";

async function load(source: string): Promise<(...args: unknown[]) => unknown> {
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  return (await import(/* @vite-ignore */ url)).default;
}

describe("an inline function", () => {
  it("becomes a module that does the same", async () => {
    const text = ((x: number, { y = 2 } = {}) => x * y).toString();
    expect((await load(inlineModule(text)))(21)).toBe(42);
  });

  it("may be a function expression, async, and have a name", async () => {
    const text = "async function twice(x) { return x < 1 ? 0 : 2 + (await twice(x - 1)); }";
    expect(await (await load(inlineModule(text)))(3)).toBe(6);
  });

  it("may end in a comment", async () => {
    expect((await load(inlineModule("(x) => x // as it is")))(1)).toBe(1);
  });

  it("has the id of its text: the same text is the same function, whatever its name", async () => {
    const one = await inlineCode((x: number) => x + 1, { name: "one" }).load();
    const same = await inlineCode((x: number) => x + 1, { name: "other" }).load();
    const other = await inlineCode((x: number) => x + 1, { env: { A: "1" } }).load();
    expect(one.id).toMatch(/^[0-9a-f]{64}$/);
    expect(same.id).toBe(one.id);
    expect(other.id).not.toBe(one.id);
  });

  it("gets a name that is valid", () => {
    expect(inlineCode(() => 1, {}).name).toBe("anonymous");
    const weird = { "a b/c": () => 1 };
    expect(inlineCode(weird["a b/c"], {}).name).toBe("a-b-c");
    expect(() => inlineCode(() => 1, { name: "a b" })).toThrow(/name is "a b"/);
  });

  it("with captures is refused, naming them and the way out", () => {
    expect(() => inlineModule("(x) => x * FACTOR", "scale")).toThrow(
      expect.objectContaining({
        code: "CAPTURES",
        message: expect.stringMatching(/^function scale uses FACTOR from outside itself; .*farcall\.module\(\)/),
        details: { names: ["FACTOR"] },
      }),
    );
  });

  it("that uses an import of its file is told the import's name, not the test runner's", () => {
    const fn = () => readFile("x");
    expect(() => inlineCode(fn, {})).toThrow(/uses readFile \(imported at the top of its file\)/);
  });

  it("may import inside, also where a test runner has rewritten the import", async () => {
    const fn = async () => (await import("node:path")).basename("/a/b");
    expect(fn.toString()).toContain("dynamic_import");
    const { bytes } = await inlineCode(fn, {}).load();
    expect(await (await load(new TextDecoder().decode(bytes)))()).toBe("b");
  });

  it("may hold esbuild's __name helper", async () => {
    const text =
      '(x) => { const inner = /* @__PURE__ */ __name((y) => y + 1, "inner"); return inner.name + inner(x); }';
    expect((await load(inlineModule(text)))(1)).toBe("inner2");
  });

  it.each([
    ["a bound function", ((x: number) => x).bind(null), /is bound/],
    ["a built-in", Math.max, /is built in/],
    ["a class", class A {}, /is a class/],
    [
      "a method",
      {
        double(x: number) {
          return 2 * x;
        },
      }.double,
      /is a method or accessor; write it as/,
    ],
    [
      "a computed method",
      {
        "a-b"(x: number) {
          return x;
        },
      }["a-b"],
      /is a method or accessor/,
    ],
    ["an async method", { async run() {} }.run, /is a method or accessor/],
    [
      "a getter",
      Object.getOwnPropertyDescriptor(
        {
          get x() {
            return 1;
          },
        },
        "x",
      )?.get,
      /is a method or accessor/,
    ],
    [
      "a method of a class",
      class {
        run() {
          return 1;
        }
      }.prototype.run,
      /is a method or accessor/,
    ],
    [
      "a generator",
      function* () {
        yield 1;
      },
      /is a generator/,
    ],
    ["something else", 12, /12 is not a function/],
  ])("refuses %s with advice", (_, fn, message) => {
    expect(() => inlineCode(fn, {})).toThrow(message);
  });

  it.each([
    ["coverage counters", "() => { cov_1abc().s[0]++; }", /coverage tool/],
    ["down-levelled async", "() => __awaiter(this, void 0, void 0, function* () {})", /set its target to ES2024/],
    ["require", "() => require('fs')", /CommonJS; use `await import/],
    ["import.meta", "() => import.meta.url", /import\.meta \(of its own file\)/],
    ["a relative import", "() => import('./x.ts')", /a file that the worker does not have/],
    ["this", "() => this", /uses this from outside itself/],
  ])("explains %s", (_, text, message) => {
    expect(() => inlineModule(text)).toThrow(message);
  });
});
