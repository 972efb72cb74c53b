import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callerFile, moduleCode, resolveModule } from "../../sdk/code/module.ts";
import { bundleModule } from "../../sdk/code/node-bundle.ts";
import { useSmallGateway } from "./support/client.ts";

const pair = useSmallGateway();
const modules = resolve(import.meta.dirname, "modules");
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-module-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const write = async (name: string, text: string) => {
  await writeFile(join(dir, name), text);
  return join(dir, name);
};

describe("farcall.module", () => {
  it("runs a file's functions with everything it imports, its path taken from the calling file", async () => {
    const { farcall } = pair;
    const statistics = await farcall.module<typeof import("./modules/statistics.ts")>("./modules/statistics.ts");
    expect(await statistics.summary([1, 2, 3])).toEqual({ mean: 2, count: 3 });
    expect(await statistics.fromYaml("a: [1, 2]")).toEqual({ a: [1, 2] });
    expect(await statistics.file("/a/b.txt")).toBe("b.txt");
    expect(statistics.summary.name).toBe("statistics.summary");
  });

  it("takes a URL", async () => {
    const url = new URL("./modules/mean.ts", import.meta.url);
    const { mean } = await pair.farcall.module<typeof import("./modules/mean.ts")>(url);
    expect(await mean([1, 3])).toBe(2);
  });

  it("bundles CommonJS that requires Node's modules, and leaves names of the file alone", async () => {
    const { here } = await pair.farcall.module<typeof import("./modules/uses-common.ts")>("./modules/uses-common.ts");
    const { gateway } = pair;
    const load = here.register();
    await load;
    const [fn] = gateway.functions.values();
    const file = await write("loaded.mjs", new TextDecoder().decode(fn?.code));
    const loaded = (await import(/* @vite-ignore */ file)) as typeof import("./modules/uses-common.ts");
    expect(loaded.here()).toEqual(["string", ".mjs", "a name of its own"]);
  });
});

describe("a bundle", () => {
  it("is the same bytes wherever the file lies and wherever the process stands, so its id is its version", async () => {
    await cp(modules, join(dir, "copy"), { recursive: true });
    const first = await moduleCode(join(modules, "mean.ts"), {}, "");
    const cwd = process.cwd();
    // Vitest runs files in processes of their own, so the working directory is this file's.
    process.chdir(dir);
    const second = await moduleCode(join(dir, "copy/mean.ts"), {}, "");
    process.chdir(cwd);
    expect((await second.get("mean")?.load())?.id).toBe((await first.get("mean")?.load())?.id);
  });

  it("changes with what it imports", async () => {
    await write("entry.ts", 'import { x } from "./part.ts"; export const get = () => x;');
    await write("part.ts", "export const x = 1;");
    const one = await bundleModule(join(dir, "entry.ts"));
    await write("part.ts", "export const x = 2;");
    const two = await bundleModule(join(dir, "entry.ts"));
    expect(Buffer.from(one.code).equals(Buffer.from(two.code))).toBe(false);
  });

  it("with an import that is not there says which, and where", async () => {
    const file = await write("broken.ts", '\nimport { x } from "no-such-package"; export const get = () => x;');
    await expect(bundleModule(file)).rejects.toMatchObject({
      code: "BUNDLE_FAILED",
      message: expect.stringMatching(/its import "no-such-package" is not found \(broken\.ts:2\)/),
    });
  });

  it("leaves out what is external", async () => {
    const file = await write("external.ts", 'import { x } from "no-such-package"; export const get = () => x;');
    const { code } = await bundleModule(file, { external: ["no-such-package"] });
    expect(new TextDecoder().decode(code)).toContain('from "no-such-package"');
  });

  it("with a native addon says that it must be built where it runs", async () => {
    await write("addon.node", "\x7fELF");
    const file = await write("native.ts", 'import addon from "./addon.node"; export const get = () => addon;');
    await expect(bundleModule(file)).rejects.toMatchObject({
      code: "BUNDLE_FAILED",
      message: expect.stringMatching(/native addon addon\.node, which must be built where it runs/),
    });
  });

  it("with an export that makes it look like a promise is refused", async () => {
    const file = await write("then.ts", "export const then = () => 1;");
    await expect(bundleModule(file)).rejects.toThrow(/exports `then`.*rename it/);
  });

  it("with a syntax error says where", async () => {
    const file = await write("syntax.ts", "export const get = () => {");
    await expect(bundleModule(file)).rejects.toThrow(/syntax\.ts cannot be bundled: .*\(syntax\.ts:1\)/);
  });
});

describe("a module's path", () => {
  it("that leads nowhere names every place that was looked at", () => {
    expect(() => resolveModule("./no.ts", `at file://${dir}/caller.ts:1:2`)).toThrow(
      `there is no file ${dir}/no.ts or ${process.cwd()}/no.ts`,
    );
  });

  it.each([
    ["Error\n    at main (file:///home/a/run.ts:3:4)", "/home/a/run.ts"],
    ["Error\n    at file:///home/a%20b/run.ts:3:4", "/home/a b/run.ts"],
    ["Error\n    at async main (/home/a/run.ts:3:4)\n    at x (/other.ts:1:1)", "/home/a/run.ts"],
    ["Error\n    at native\n    at new Promise (<anonymous>)", undefined],
    ["main@file:///home/a/run.ts:3:4", "/home/a/run.ts"],
    ["", undefined],
  ])("starts from the first file of the stack: %j", (stack, file) => {
    expect(callerFile(stack)).toBe(file);
  });
});
