import { dirname, join } from "node:path/posix";
import { describe, expect, it } from "vitest";
import { importsOf, read, sources, trackedFiles } from "../support/repository.ts";

const PARTS = ["sdk", "gateway", "endpoint-agent"];
/** What a part may import beside itself. Tests, examples and benchmarks may import everything. */
const ARROWS: Record<string, readonly string[]> = {
  protocol: [],
  sdk: ["protocol"],
  gateway: ["protocol"],
  "endpoint-agent": ["protocol"],
  deploy: ["protocol", ...PARTS],
  cli: ["protocol", "deploy", ...PARTS],
};

const imports = sources().flatMap((file) =>
  importsOf(read(file))
    .filter((target) => target.startsWith("."))
    .map((target) => ({ file, target: join(dirname(file), target) })),
);
const part = (path: string) => path.split("/", 1)[0] ?? "";

describe("the tree", () => {
  it("has imports to look at", () => {
    expect(imports.length).toBeGreaterThan(50);
  });

  it("keeps its arrows: protocol <- sdk | gateway | endpoint-agent, composed by cli and deploy", () => {
    const wrong = imports.filter(({ file, target }) => {
      const allowed = ARROWS[part(file)];
      return allowed !== undefined && part(target) !== part(file) && !allowed.includes(part(target));
    });
    expect(wrong).toEqual([]);
  });

  it("starts managers and workers as processes: the agent imports nothing of them", () => {
    const inside = ["endpoint-agent/manager/", "endpoint-agent/worker/"];
    const wrong = imports.filter(
      ({ file, target }) =>
        file.startsWith("endpoint-agent/") &&
        !inside.some((dir) => file.startsWith(dir)) &&
        inside.some((dir) => target.startsWith(dir)),
    );
    expect(wrong).toEqual([]);
  });

  it("writes relative imports with .ts", () => {
    expect(imports.filter(({ target }) => !/\.(ts|json|cjs)$/.test(target))).toEqual([]);
  });

  it("has no source file over 300 lines", () => {
    const long = trackedFiles()
      .filter((path) => /\.(ts|mjs|js|py|sh)$/.test(path))
      .map((path) => ({ path, lines: read(path).split("\n").length - 1 }))
      .filter(({ lines }) => lines > 300);
    expect(long).toEqual([]);
  });

  it("reads process.env only where adapters are chosen", () => {
    const pure = sources().filter((path) => /^(protocol|sdk\/(?!node|profile)|gateway)\//.test(path));
    const readers = pure.filter((path) => !path.endsWith("main.ts") && /\bprocess\.env\b/.test(read(path)));
    expect(readers).toEqual([]);
  });

  it("names no path or host of the machine it was written on", () => {
    const telltale = /(^|[^\w.])\/(work|root|farm|Users\/\w+|private\/tmp)\/|\/tmp\/([a-z]+bin|bash_jobs)\b/;
    const found = trackedFiles()
      .filter((path) => path !== "package-lock.json" && path !== "test/structure/arrows.test.ts")
      .filter((path) => telltale.test(read(path)));
    expect(found).toEqual([]);
  });

  it("skips no test and singles none out", () => {
    const found = sources().filter(
      (path) => path !== "test/structure/arrows.test.ts" && /\b(it|test|describe)\.(only|skip|todo)\(/.test(read(path)),
    );
    expect(found).toEqual([]);
  });
});
