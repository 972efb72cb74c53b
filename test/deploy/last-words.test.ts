import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lastWordsIn, saidIn } from "../../deploy/last-words.ts";

describe("the last words of a program", () => {
  it("are its exception's, not what Node.js writes around it", () => {
    const log = [
      "file:///x/agent.ts:3",
      "    throw new TypeError('no such thing');",
      "          ^",
      "",
      "TypeError: no such thing: blocks",
      "    at main (file:///x/agent.ts:3:11)",
      "",
      "Node.js v24.21.0",
    ];
    expect(lastWordsIn(log.join("\n"))).toBe("TypeError: no such thing: blocks");
  });

  it("are its last warning in a log in JSON, with the error's message", () => {
    const log = [
      { level: 30, msg: "begins" },
      { level: 50, msg: "cannot listen", err: { message: "EADDRINUSE" } },
      { level: 30, msg: "ends" },
    ];
    expect(lastWordsIn(log.map((line) => JSON.stringify(line)).join("\n"))).toBe("cannot listen: EADDRINUSE");
  });

  it("are the last line where nothing stands out, and nothing of an empty log", () => {
    expect(lastWordsIn("one\ncp: cannot stat 'x'\n")).toBe("cp: cannot stat 'x'");
    expect(lastWordsIn("\n")).toBe("");
  });

  it("are bounded, whatever it wrote", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2_000 }), (log) => {
        expect(lastWordsIn(log).length).toBeLessThanOrEqual(400);
      }),
    );
  });

  it("are an error of the table where it gave one", () => {
    expect(saidIn("x\nCONFIG_INVALID: policy.x is unknown\n")).toMatchObject({ code: "CONFIG_INVALID" });
    expect(saidIn("NOT_OURS: x")).toBeUndefined();
  });
});
