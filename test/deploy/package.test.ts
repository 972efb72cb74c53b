import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { bin, ROOT } from "../support/repository.ts";

/** An import or a URL of a TypeScript file; examples in comments begin with an asterisk. */
const NAMES_SOURCE = /^(?! *\*).*(from |import\(|new URL\()["'`]\.{1,2}\/[^"'`\n]*\.ts["'`]/m;

let dir: string;
let project: string;
let env: NodeJS.ProcessEnv;
/** the paths in the tarball */
let packed: string[];

beforeAll(async () => {
  const { path: natsServer } = await ensureNatsServer();
  dir = mkdtempSync(join(tmpdir(), "farcall-package-"));
  project = join(dir, "project");
  mkdirSync(project);
  env = {
    HOME: process.env.HOME,
    // as if this Node were the machine's
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    FARCALL_NATS_SERVER: natsServer,
    XDG_CONFIG_HOME: join(dir, "config"),
    XDG_STATE_HOME: join(dir, "state"),
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME,
  };
  const report = run("npm", ["pack", "--json", "--pack-destination", dir], ROOT);
  const [tarball] = JSON.parse(report.slice(report.search(/^\[$/m))) as {
    filename: string;
    files: { path: string }[];
  }[];
  packed = tarball?.files.map(({ path }) => path) ?? [];
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", join(dir, tarball?.filename ?? "")]);
}, 180_000);

afterAll(() => {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

function run(file: string, args: readonly string[], cwd = project): string {
  return execFileSync(file, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

describe("the published package", () => {
  it("holds the program, its declarations and nothing else", () => {
    const strange = packed.filter(
      (path) =>
        !/^(package\.json|README\.md|LICENSE|NOTICE|CHANGELOG\.md|bin\/farcall\.mjs)$/.test(path) &&
        !/^dist\/(protocol|gateway|endpoint-agent|sdk|cli|deploy)\/.*(\.js|\.d\.ts|\.py|\.sh|\.json|\.yaml)$/.test(
          path,
        ),
    );
    expect(strange).toEqual([]);
    expect(packed).toEqual(
      expect.arrayContaining([
        "LICENSE",
        "README.md",
        "dist/cli/main.js",
        "dist/endpoint-agent/worker/farcall_worker.py",
        "dist/gateway/main.js",
        "dist/sdk/index.d.ts",
      ]),
    );
  });

  it("names no TypeScript source that it does not hold", () => {
    const wrong = packed
      .filter((path) => path.endsWith(".js"))
      .filter((path) => NAMES_SOURCE.test(readFileSync(join(installed(), path), "utf8")));
    expect(wrong).toEqual([]);
  });

  it("says its version", () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    expect(run("npx", ["--no-install", "farcall", "version"])).toContain(version);
  });

  it("gives its types to a project that imports it", () => {
    writeFileSync(
      join(project, "typed.ts"),
      `import { Farcall } from "farcall";
const farcall = new Farcall();
const length = farcall.function((text: string) => text.length, { name: "length" });
const right: number = await length("four");
// @ts-expect-error: the argument is a text
const wrong: number = await length(4);
console.log(right, wrong);
`,
    );
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", "--skipLibCheck"];
    run(process.execPath, [bin("tsc"), ...options, "--types", "", "typed.ts"]);
  });

  it("starts a Farcall, runs JavaScript, Python and a command on it, and stops it", () => {
    writeFileSync(
      join(project, "calls.mjs"),
      `import { Farcall } from "farcall";
await using farcall = new Farcall();
const square = farcall.function((x) => x * x, { name: "square" });
const mean = farcall.python("def mean(xs):\\n    return sum(xs) / len(xs)");
const echo = farcall.command("echo {word}");
console.log(JSON.stringify([await square(12), await mean([1, 2, 6]), (await echo({ word: "here" })).stdout]));
`,
    );
    run("npx", ["--no-install", "farcall", "up", "--detach"]);
    try {
      expect(JSON.parse(run(process.execPath, ["calls.mjs"]))).toEqual([144, 3, "here\n"]);
    } finally {
      run("npx", ["--no-install", "farcall", "down"]);
    }
  }, 60_000);
});

function installed(): string {
  return join(project, "node_modules", "farcall");
}
