import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeValue, encodeValue, NdArray } from "../../../protocol/payload.ts";
import type { Encoding } from "../../../protocol/task.ts";
import { values } from "../../protocol/payload-values.ts";

const CHECK = fileURLToPath(new URL("../../fixtures/payloads/check.py", import.meta.url));
const ENCODINGS: Encoding[] = ["json", "cbor", "raw"];
const hasNumpy = spawnSync("python3", ["-c", "import numpy"]).status === 0;

describe("payloads between TypeScript and Python", () => {
  let python: ChildProcess;
  let buffer = Buffer.alloc(0);
  let answer: ((value: unknown) => void) | undefined;

  beforeAll(() => {
    python = spawn("python3", [CHECK, "echo"], { stdio: ["pipe", "pipe", "inherit"] });
    python.stdout?.on("data", (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      if (buffer.length < 5 || buffer.length < 5 + buffer.readUInt32BE(1)) return;
      const value = decodeValue(ENCODINGS[buffer[0] as number] as Encoding, buffer.subarray(5));
      buffer = Buffer.alloc(0);
      answer?.(value);
    });
    python.on("exit", () => answer?.("the Python process ended"));
  });
  afterAll(() => {
    python.stdin?.end();
  });

  const throughPython = (value: unknown) =>
    new Promise((resolve) => {
      answer = resolve;
      const { encoding, bytes } = encodeValue(value);
      const head = Buffer.alloc(5);
      head[0] = ENCODINGS.indexOf(encoding);
      head.writeUInt32BE(bytes.length, 1);
      python.stdin?.write(Buffer.concat([head, bytes]));
    });

  it("agree on the corpus", () => {
    const report = JSON.parse(execFileSync("python3", [CHECK, "corpus"], { encoding: "utf8" }));
    expect(report.problems).toEqual([]);
    expect(report.checked).toBeGreaterThan(40);
    expect(report.numpy).toBe(hasNumpy);
  });

  it("come back from Python as they were", async () => {
    await fc.assert(
      fc.asyncProperty(values({ python: true }), async (value) => {
        expect(await throughPython(value)).toStrictEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it("lose only what Python does not tell apart", async () => {
    expect(await throughPython([undefined, 5n, new Date(Number.NaN)])).toEqual([null, 5, null]);
    expect(await throughPython(new Map([["a", Number.NaN]]))).toEqual({ a: Number.NaN });
  });

  it.runIf(hasNumpy)("keep the shape of numpy arrays", async () => {
    const matrix = new NdArray([2, 2], new Float64Array([1, 2, 3, 4]));
    expect(await throughPython(matrix)).toStrictEqual(matrix);
  });
});
