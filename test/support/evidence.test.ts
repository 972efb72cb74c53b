import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { judge, noteEvidence, readEvidence, witness } from "./evidence.ts";

describe("evidence", () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-evidence-"));
    file = join(dir, "evidence");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("is left by a witness at its start and its end", async () => {
    expect(await witness(file, "a", 1)).toBe("a");
    expect(readEvidence(file).map((line) => line.phase)).toEqual(["start", "end"]);
  });

  it("shows two attempts of one key that were alive at once", () => {
    noteEvidence(file, { key: "a", phase: "start", pid: 1, at: 10 });
    noteEvidence(file, { key: "a", phase: "start", pid: 2, at: 15 });
    noteEvidence(file, { key: "a", phase: "end", pid: 1, at: 20 });
    noteEvidence(file, { key: "a", phase: "end", pid: 2, at: 25 });
    expect(judge(readEvidence(file))).toEqual({ starts: new Map([["a", 2]]), overlaps: ["a"] });
  });

  it("lets one attempt follow another, and asks when a killed one ended", () => {
    noteEvidence(file, { key: "a", phase: "start", pid: 1, at: 10 });
    noteEvidence(file, { key: "a", phase: "start", pid: 2, at: 15 });
    noteEvidence(file, { key: "a", phase: "end", pid: 2, at: 25 });
    expect(judge(readEvidence(file)).overlaps).toEqual([]);
    expect(judge(readEvidence(file), (line) => line.at + 6).overlaps).toEqual(["a"]);
  });
});
