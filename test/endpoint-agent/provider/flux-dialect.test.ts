/** The dialect of Flux, on answers as its documents show them: there is no recording. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flux } from "../../../endpoint-agent/provider/batch/flux.ts";
import { decimalId } from "../../../endpoint-agent/provider/batch/flux-states.ts";
import { job } from "./jobs.ts";
import { answer } from "./recordings.ts";

const HEAD = "JOBID|STATE|RESULT|RC|URG|EXCEPTION-TYPE|NAME|REASON|EXCEPTION-NOTE\n";
const list = (...rows: string[]) => flux.listed(answer(HEAD + rows.map((row) => `${row}\n`).join("")));
const one = (row: string) => list(row)?.[0];

describe("Flux's list", () => {
  it.each([
    ["7|DEPEND|||16||fcjob||", "pending", "DEPEND"],
    ["7|PRIORITY|||16||fcjob||", "pending", "PRIORITY"],
    ["7|SCHED|||16||fcjob||", "pending", "SCHED"],
    ["7|SCHED|||16||fcjob|Insufficient Available Resources|", "pending", "SCHED: Insufficient Available Resources"],
    ["7|SCHED|||0||fcjob||", "held", "SCHED: its urgency is 0"],
    ["7|RUN|||16||fcjob||", "running", "RUN"],
    ["7|CLEANUP||0|16||fcjob||", "running", "CLEANUP"],
    ["7|INACTIVE|COMPLETED|0|16||fcjob||", "gone", "COMPLETED: exit code 0"],
    ["7|INACTIVE|FAILED|3|16||fcjob||", "gone", "FAILED: exit code 3"],
    ["7|INACTIVE|FAILED|-9|16||fcjob||", "gone", "FAILED: ended by signal 9"],
    ["7|INACTIVE|CANCELED|-128|16|cancel|fcjob||", "gone", "CANCELED: cancel"],
    [
      "7|INACTIVE|TIMEOUT|142|16|timeout|fcjob||resource allocation expired",
      "gone",
      "TIMEOUT: exit code 142: timeout resource allocation expired",
    ],
    [
      '7|INACTIVE|FAILED||16|alloc|fcjob||alloc denied due to type="unsatisfiable" | x',
      "gone",
      'FAILED: alloc alloc denied due to type="unsatisfiable" | x',
    ],
  ])("reads %s as %s", (row, state, reason) => {
    expect(one(row)).toMatchObject({ id: "7", name: "fcjob", state, reason });
  });

  it("knows what the site did, and what may have processes yet", () => {
    expect(one("7|INACTIVE|TIMEOUT|142|16|timeout|fcjob||")?.taken).toBe(true);
    expect(one("7|INACTIVE|CANCELED|143|16|cancel|fcjob||")?.taken).toBe(true);
    expect(one("7|INACTIVE|FAILED|3|16||fcjob||")?.taken).toBeUndefined();
    expect(one("7|INACTIVE|FAILED|137|16|exec|fcjob||lost contact with job shell on n3")).toMatchObject({
      unproven: true,
    });
  });

  it("says nothing of what it cannot read", () => {
    for (const row of [
      "7|LOST|||16||fcjob||",
      "7|INACTIVE|GONE|0|16||fcjob||",
      "x|RUN|||16||fcjob||",
      "7|RUN",
      "7|RUN|||16||||",
    ]) {
      expect(list(row), row).toEqual([]);
    }
    // A note of two lines that would say something of another job.
    expect(
      list("7|RUN|||16||fcjob||", "8|INACTIVE|FAILED|1|16|exec|fctwo||a", "7|INACTIVE|FAILED|1|16||fcjob||")?.map(
        ({ id }) => id,
      ),
    ).toEqual(["8"]);
  });

  it("knows an empty list from no answer by its head line", () => {
    expect(list()).toEqual([]);
    for (const text of ["", "\n", "7|RUN|||16||fcjob||\n", HEAD.slice(0, 30)])
      expect(flux.listed(answer(text)), text).toBeUndefined();
    expect(flux.listed(answer(`Welcome!\n${HEAD}7|RUN|||16||fcjob||\n`))).toHaveLength(1);
  });

  it("asks for ended jobs by id when the list has forgotten them, and takes what it gets beside unknown ones", () => {
    const past = answer(`${HEAD}7|INACTIVE|FAILED|3|16||fcjob||\n8|RUN|||16||fctwo||\n`, 1);
    expect(flux.history?.parse(past)?.map(({ id }) => id)).toEqual(["7"]);
    expect(flux.history?.parse({ ...past, code: null })).toBeUndefined();
  });
});

describe("Flux's ids", () => {
  it("are decimal in every form that it prints", () => {
    // By hand, with the alphabet of RFC 19.
    expect(decimalId("ƒuzzybunny")).toBe("6787342413402046");
    expect(decimalId("fuzzybunny")).toBe("6787342413402046");
    expect(decimalId("f1")).toBe("0");
    expect(decimalId("1234")).toBe("1234");
    for (const text of ["", "f", "f0", "fl", "g1", "f1 2", "-1", "ffffffffffffffff", "18446744073709551616"]) {
      expect(decimalId(text), text).toBeUndefined();
    }
  });

  it("come back from base 58", () => {
    const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (id) => {
        let text = "";
        for (let rest = id; rest > 0n; rest /= 58n) text = BASE58[Number(rest % 58n)] + text;
        expect(decimalId(`f${text || "1"}`)).toBe(String(id));
      }),
    );
  });

  it("are taken from the last line of an answer", () => {
    expect(flux.submitted(answer("flux-batch: warning: x\nfuzzybunny\n"))).toBe("6787342413402046");
    expect(flux.submitted(answer("no such queue\n"))).toBeUndefined();
    expect(flux.submitted(answer(""))).toBeUndefined();
  });
});

describe("Flux's directives", () => {
  const lines = (...args: Parameters<typeof job>) =>
    flux.directives(job(...args)).map((line) => line.replace("# flux: ", ""));

  it("writes what a block asks for", () => {
    const config = { type: "flux", queue: "batch", account: "lab", constraint: "a|b", nodeType: "fat" } as const;
    expect(lines({ nodes: 2, coresPerNode: 16, gpusPerNode: 2 }, { ...config, directives: ["--urgency=20"] })).toEqual([
      "--urgency=20",
      "--job-name=fcabcd0123456",
      "--output=/scratch/blocks/1/log",
      "--cwd=/scratch/blocks/1",
      "--nodes=2",
      "--nslots=2",
      "--cores-per-slot=16",
      "--gpus-per-slot=2",
      "--exclusive",
      "--time-limit=93630s",
      "--queue=batch",
      "--bank=lab",
      '--requires="fat&a|b"',
    ]);
  });
});
