import { describe, expect, it } from "vitest";
import { commandCode } from "../../sdk/code/command.ts";
import { inlineCode } from "../../sdk/code/inline.ts";
import { pythonCode } from "../../sdk/code/python.ts";
import { Farcall } from "../../sdk/index.ts";

const container = { runtime: "apptainer", image: "/images/tools.sif" } as const;

describe("a function in a container", () => {
  it("names its image in its definition, so that another image makes another function", async () => {
    for (const make of [
      (options: object) => commandCode("wc -l {file}", options),
      (options: object) => pythonCode("def f():\n    return 1", options),
      (options: object) => inlineCode(() => 1, options),
    ]) {
      const plain = await make({}).load();
      const contained = await make({ container }).load();
      const other = await make({ container: { ...container, binds: ["/data"] } }).load();
      expect(plain.definition.container).toBe(undefined);
      expect(contained.definition.container).toEqual({ ...container, binds: [] });
      expect(new Set([plain.id, contained.id, other.id]).size).toBe(3);
    }
  });

  it("is refused where it is made when the image or a bind is none", () => {
    const farcall = new Farcall({ url: "http://127.0.0.1:1", token: "t" });
    const wrong = { ...container, image: "--privileged" };
    expect(() => farcall.command("ls", { container: wrong })).toThrow(/container .*an image's name or path/);
    expect(() => farcall.python("def f(): pass", { container: { ...container, binds: ["data"] } })).toThrow(/\/path/);
  });
});

describe("a command on several nodes", () => {
  it("has a field {launcher} that the caller does not give", async () => {
    const code = commandCode("{launcher} ./a.out {input}", {});
    expect(() => code.check?.([{ input: "x" }])).not.toThrow();
    expect(() => code.check?.([{}])).toThrow(/input/);
    expect(() => commandCode("{launcher} ./a.out", {}).check?.([])).not.toThrow();
  });
});
