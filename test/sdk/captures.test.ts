import { parseExpressionAt } from "acorn";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findCaptures, type Node } from "../../sdk/code/captures.ts";
import { STANDARD_GLOBALS } from "../../sdk/code/globals.ts";

function capturesOf(text: string) {
  const node = parseExpressionAt(`(${text}\n)`, 0, { ecmaVersion: "latest", sourceType: "module" });
  return findCaptures(node as unknown as Node);
}

function freeIn(text: string): string[] {
  return capturesOf(text)
    .free.map(({ name }) => name)
    .filter((name) => !STANDARD_GLOBALS.has(name));
}

const NOTHING: [string, string][] = [
  ["parameters", "(a, b) => a + b"],
  ["destructured parameters", "({ a, b: { c }, ...rest }, [d, , e = d]) => [a, c, rest, d, e]"],
  ["rest parameters", "(...all) => all.length"],
  ["a default that uses an earlier parameter", "(a, b = a) => b"],
  [
    "standard globals",
    "async (u) => [Math.max(1), JSON.stringify(u), await fetch(u), Buffer.from('a'), process.pid, console.log()]",
  ],
  ["property names", "(o) => o.secret.name + o?.other"],
  ["object keys and methods", "() => ({ key: 1, method() { return 2; }, get x() { return 3; }, 'quoted': 4 })"],
  ["shorthand of a local", "() => { const key = 1; return { key }; }"],
  ["var used before its declaration", "() => { x = 1; var x; return x; }"],
  ["a function used before its declaration", "() => { return later(); function later() { return 1; } }"],
  ["var declared in a block", "(c) => { if (c) { var inner = 1; } return inner; }"],
  ["var declared in a loop's head", "() => { for (var i = 0; i < 2; i++); return i; }"],
  [
    "let in loops",
    "(xs) => { for (const x of xs) for (let i = 0; i < x; i++) console.log(i); for (const k in xs) console.log(k); }",
  ],
  ["the error of a catch", "() => { try { return 1; } catch (e) { return e.message; } }"],
  ["a destructured error", "() => { try { return 1; } catch ({ message }) { return message; } }"],
  ["its own name", "function fact(n) { return n < 2 ? 1 : n * fact(n - 1); }"],
  ["arguments", "function () { return arguments.length; }"],
  [
    "classes inside",
    "() => { class A { #p = 1; static s = 2; get p() { return this.#p + A.s; } } class B extends A {} return new B().p; }",
  ],
  ["a named class expression", "() => { const C = class D { make() { return new D(); } }; return new C(); }"],
  ["static blocks and this in fields", "() => { class A { x = this.y; static { this.z = 1; } } return A; }"],
  ["labels", "() => { outer: for (;;) { for (;;) { break outer; } } }"],
  ["typeof of something that may not be there", "() => typeof window === 'undefined'"],
  ["new.target", "() => { function F() { return new.target; } return F; }"],
  ["this of an inner function", "() => { function F() { this.x = 1; } return new F().x; }"],
  ["template literals", "(name) => `hello $" + "{name}`"],
  ["imports inside", "async () => { const os = await import('node:os'); return os.hostname(); }"],
  [
    "switch and its declarations",
    "(x) => { switch (x) { case 1: { return 1; } default: { const y = 2; return y; } } }",
  ],
  ["generators inside", "() => { function* g() { yield 1; } return [...g()]; }"],
  ["assignment to a member", "(o) => { o.x = 1; [o.y] = [2]; ({ z: o.z } = { z: 3 }); return o; }"],
  ["using declarations", "() => { let a, b; ({ a, b = 2 } = { a: 1 }); return a + b; }"],
];

const SOMETHING: [string, string, string[]][] = [
  ["a constant", "(x) => x * FACTOR", ["FACTOR"]],
  ["a shorthand property", "() => ({ config })", ["config"]],
  ["a computed key", "() => ({ [key]: 1 })", ["key"]],
  ["a computed member", "(o) => o[key]", ["key"]],
  ["a default value", "(a = fallback) => a", ["fallback"]],
  ["a default inside a pattern", "({ a = fallback }) => a", ["fallback"]],
  ["a computed key in a pattern", "({ [key]: a }) => a", ["key"]],
  ["a superclass", "() => class extends Base {}", ["Base"]],
  ["a computed method", "() => class { [name]() {} }", ["name"]],
  ["a field's value", "() => class { x = outside; }", ["outside"]],
  ["a tag", "() => sql`select`", ["sql"]],
  ["an assignment", "() => { counter = 1; }", ["counter"]],
  ["an update", "() => { counter++; }", ["counter"]],
  ["a destructuring assignment", "() => { ({ a: target } = { a: 1 }); }", ["target"]],
  ["a let after its block", "() => { { let inner = 1; } return inner; }", ["inner"]],
  ["a block function after its block", "() => { { function f() {} } return f; }", ["f"]],
  ["a loop variable after the loop", "() => { for (let i = 0; i < 1; i++); return i; }", ["i"]],
  ["the error after its catch", "() => { try {} catch (e) {} return e; }", ["e"]],
  ["a class expression's name outside", "() => { const C = class D {}; return D; }", ["D"]],
  ["a function expression's name outside", "() => { const f = function g() {}; return g; }", ["g"]],
  ["arguments of an arrow", "() => arguments.length", ["arguments"]],
  ["several, each once, in order", "() => b() + a() + b()", ["b", "a"]],
  ["something deep inside", "() => () => { if (1) return [1].map((x) => x + deep); }", ["deep"]],
  ["CommonJS", "() => require('fs').readFileSync(__filename)", ["require", "__filename"]],
];

describe("findCaptures", () => {
  it.each(NOTHING)("finds nothing in %s", (_, text) => {
    expect(freeIn(text)).toEqual([]);
    expect(capturesOf(text)).toMatchObject({ usesThis: false, usesImportMeta: false, relativeImports: [] });
  });

  it.each(SOMETHING)("finds %s", (_, text, names) => {
    expect(freeIn(text)).toEqual(names);
  });

  it("finds this where it is nobody's", () => {
    expect(capturesOf("() => this.x").usesThis).toBe(true);
    expect(capturesOf("function () { return this.x; }").usesThis).toBe(true);
    expect(capturesOf("() => () => { if (1) return this; }").usesThis).toBe(true);
  });

  it("finds import.meta and relative imports", () => {
    expect(capturesOf("() => import.meta.url").usesImportMeta).toBe(true);
    expect(
      capturesOf("() => [import('./a.ts'), import('../b.ts'), import('/c.ts'), import('node:fs')]").relativeImports,
    ).toEqual(["./a.ts", "../b.ts", "/c.ts"]);
  });
});

/** Programs made of blocks, declarations and uses, with the names that are free in them by construction. */
type Program = { text: string; free: string[] };
const name = fc.constantFrom("a", "b", "c", "d");
const program = (declared: readonly string[], depth: number): fc.Arbitrary<Program> =>
  fc
    .tuple(fc.subarray(["a", "b", "c", "d"]), fc.array(name, { maxLength: 3 }), fc.nat(2))
    .chain(([own, used, children]) => {
      const visible = [...declared, ...own];
      const inner = depth === 0 ? [] : Array.from({ length: children }, () => program(visible, depth - 1));
      return fc.tuple(fc.constantFrom("{", "() => {", "for (;;) {"), ...inner).map(([open, ...parts]) => {
        const lines = [
          ...used.map((one) => `${one};`),
          ...(parts as Program[]).map(({ text }) => text),
          // Declarations come last: where a scope declares a name does not matter.
          ...own.map((one) => `let ${one};`),
        ];
        const body = `${lines.join(" ")} }`;
        const text = open === "{" ? `{ ${body}` : open.startsWith("for") ? `for (;;) { ${body}` : `(() => { ${body});`;
        const free = [
          ...used.filter((one) => !visible.includes(one)),
          ...(parts as Program[]).flatMap(({ free }) => free),
        ];
        return { text, free };
      });
    });

it("finds exactly the names that no scope around their use declares", () => {
  fc.assert(
    fc.property(program([], 3), ({ text, free }) => {
      expect(new Set(freeIn(`() => { ${text} }`))).toEqual(new Set(free));
    }),
  );
});

it("calls everything standard that a plain Node has", async () => {
  const { execFileSync } = await import("node:child_process");
  const script = "console.log(JSON.stringify(Object.getOwnPropertyNames(globalThis)))";
  const names: string[] = JSON.parse(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }));
  // Those that `node -e` and the console add, and what no function should rely on.
  const others = new Set(["require", "module", "exports", "__filename", "__dirname", "GLOBAL", "root"]);
  const absent = [...STANDARD_GLOBALS].filter((one) => !names.includes(one));
  expect(absent.filter((one) => !others.has(one))).toEqual([]);
});
