import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { createContext, Script } from "node:vm";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useSmallGateway } from "./support/client.ts";

const run = promisify(execFile);
const pair = useSmallGateway();
const index = resolve(import.meta.dirname, "../../sdk/index.ts");
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-portable-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function browserBundle() {
  return build({
    stdin: { contents: `export * from ${JSON.stringify(index)}`, resolveDir: dir },
    bundle: true,
    platform: "browser",
    format: "iife",
    globalName: "sdk",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
}

describe("in a browser", () => {
  it("the SDK has nothing of Node in it", async () => {
    const { metafile } = await browserBundle();
    const imports = Object.values(metafile.inputs).flatMap(({ imports }) => imports);
    expect(imports.filter(({ path, external }) => external || path.startsWith("node:"))).toEqual([]);
  });

  it("the SDK calls functions with fetch alone", async () => {
    const { outputFiles } = await browserBundle();
    const { fetch, URL, URLSearchParams, TextEncoder, TextDecoder, crypto, AbortController, AbortSignal } = globalThis;
    const { performance, setTimeout, clearTimeout, queueMicrotask, atob, Response } = globalThis;
    // What a page has, and nothing besides: no process, no Buffer, no setImmediate.
    const page: Record<string, unknown> = {
      ...{ fetch, URL, URLSearchParams, TextEncoder, TextDecoder, crypto, AbortController, AbortSignal },
      ...{
        performance,
        setTimeout,
        clearTimeout,
        queueMicrotask,
        atob,
        Response,
        Uint8Array,
        ArrayBuffer,
        Promise,
        Error,
      },
    };
    page.globalThis = page;
    const context = createContext(page);
    new Script(outputFiles[0]?.text ?? "").runInContext(context);
    const work = `(async () => {
      const farcall = new sdk.Farcall({ url: ${JSON.stringify(pair.gateway.url)}, token: "t" });
      const square = farcall.function((x) => x * x);
      const values = await Promise.all([square(3), square(4)]);
      await farcall.close();
      return JSON.stringify(values);
    })()`;
    expect(await new Script(work).runInContext(context)).toBe("[9,16]");
  });
});

describe("a process", () => {
  const script = async (body: string) => {
    const file = join(dir, `script-${Math.random().toString(36).slice(2)}.ts`);
    const fetchOption = body.includes("PLAIN_FETCH") ? ", fetch" : "";
    await writeFile(
      file,
      `import { Farcall } from ${JSON.stringify(index)};
       const farcall = new Farcall({ url: ${JSON.stringify(pair.gateway.url)}, token: "t"${fetchOption} });
       const square = farcall.function((x: number) => x * x);
       ${body}`,
    );
    return run(process.execPath, [file], { timeout: 20_000 });
  };

  it("ends by itself when its calls have ended, also without close()", async () => {
    const { stdout } = await script("console.log(await square(12));");
    expect(stdout).toBe("144\n");
  });

  it("ends by itself over plain fetch too", async () => {
    const { stdout } = await script("console.log(await square(12)); // PLAIN_FETCH");
    expect(stdout).toBe("144\n");
  });

  it("stays alive as long as a call is under way", async () => {
    pair.gateway.run = async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return { encoding: "json", bytes: Buffer.from("7") };
    };
    const { stdout } = await script("square(12).then((value) => console.log(value));");
    expect(stdout).toBe("7\n");
  });

  it("stays alive until what it submitted is accepted, and no longer", async () => {
    pair.gateway.run = () => new Promise(() => {});
    await script("for (let i = 0; i < 10; i++) square.submit(i); await farcall.close();");
    expect(pair.gateway.tasks.size).toBe(10);
  });
});
