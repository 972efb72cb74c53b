import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { age, byteSize, cut, displayWidth, duration, oneLine, plain } from "../../cli/output/text.ts";

describe("remote text", () => {
  it("loses escape sequences with their parameters", () => {
    expect(plain("\x1b[31mred\x1b[0m \x1b]0;title\x07done\x1b[2J")).toBe("red done");
    expect(plain("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\")).toBe("link");
    expect(plain("\x9b31mC1\x9b0m")).toBe("C1");
  });

  it("keeps tabs and newlines, loses bells, returns and marks that reorder a line", () => {
    expect(plain("a\tb\r\nc\x07\rd\u202ee")).toBe("a\tb\ncde");
  });

  it("never keeps a control character, whatever comes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(plain(text)).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
        expect(oneLine(text)).not.toMatch(/[\n\t]/);
      }),
    );
  });
});

describe("text for people", () => {
  it.each([
    [0, "0.0 ms"],
    [2.44, "2.4 ms"],
    [850, "850 ms"],
    [2_400, "2.4 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [200_000, "3 min 20 s"],
    [18_600_000, "5 h 10 min"],
    [273_600_000, "3 d 4 h"],
  ])("writes %d ms as %s", (ms, text) => expect(duration(ms)).toBe(text));

  it.each([
    [512, "512 B"],
    [1_536, "1.5 kB"],
    [999_700, "1.0 MB"],
    [268_435_456, "268 MB"],
  ])("writes %d bytes as %s", (bytes, text) => expect(byteSize(bytes)).toBe(text));

  it("says never for what has not happened, and no negative age for a clock that is ahead", () => {
    expect(age(null, 5)).toBe("never");
    expect(age(10_000, 5_000)).toBe("0.0 ms ago");
  });

  it("counts the columns of wide and combining characters", () => {
    expect(displayWidth("日本")).toBe(4);
    expect(displayWidth("e\u0301")).toBe(1);
  });

  it("cuts to the width it is given", () => {
    expect(cut("abcdef", 4)).toBe("abc…");
    expect(cut("日本語", 4)).toBe("日…");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, width) => {
        expect(displayWidth(cut(text, width))).toBeLessThanOrEqual(width);
      }),
    );
  });
});
