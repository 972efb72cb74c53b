import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { harmless } from "../../../deploy/ssh/prompter.ts";
import { framed, loginCommand, quoteAll, scriptInput, unframe } from "../../../deploy/ssh/shell.ts";

/** Any text that an argument can be. */
const argument = fc
  .string({ unit: "binary", maxLength: 12 })
  .filter((text) => !text.includes("\0") && text.isWellFormed());
const nasty = fc.stringMatching(/^[-'"\\$`!%\n\r\t *?~#&;|<>(){}[\]a0]{0,12}$/);
// The shells that people have as login shells; csh reads quotes in a way of its own.
const SHELLS = ["sh", "bash", "dash", "tcsh", "csh", "zsh", "fish"].filter(
  (name) => spawnSync(name, ["-c", "exit 0"]).status === 0,
);

describe("a command for sshd", () => {
  it.each(SHELLS)("arrives as it was given, through %s", (shell) => {
    // One process for many commands: each prints its arguments, ended by NULs.
    fc.assert(
      fc.property(fc.array(fc.oneof(argument, nasty), { minLength: 1, maxLength: 40 }), (words) => {
        const out = execFileSync(shell, ["-c", loginCommand(quoteAll(["printf", "%s\\0", ...words]))]);
        expect(out.toString("utf8").split("\0").slice(0, -1)).toEqual(words);
      }),
      { numRuns: 40 },
    );
  });

  it("is told from what a login prints before and after", () => {
    const noise = "Welcome!\nfarcall-other<\n";
    for (const [script, code] of [
      ["echo one; echo two >&2", 0],
      ["printf three; exit 7", 7],
      ["echo x # a comment", 0],
    ] as const) {
      const run = spawnSync(
        "sh",
        ["-c", `printf '${noise}'; printf '${noise}' >&2; ${loginCommand(framed(script, "farcall-1"))}`],
        { encoding: "utf8" },
      );
      const plain = spawnSync("sh", ["-c", script], { encoding: "utf8" });
      expect(unframe(run.stdout, "farcall-1")).toEqual({ output: plain.stdout, code, began: true });
      expect(unframe(run.stderr, "farcall-1")).toEqual({ output: plain.stderr, code, began: true });
      expect(run.status).toBe(code);
    }
  });

  it("as a script by standard input reads nothing of itself", () => {
    const { stdout } = spawnSync("sh", { input: scriptInput("cat; echo end", "m"), encoding: "utf8" });
    expect(unframe(stdout, "m")).toMatchObject({ output: "end\n", code: 0 });
  });

  it("that was cut off says that it was", () => {
    expect(unframe("motd", "m")).toEqual({ output: "motd", code: undefined, began: false });
    expect(unframe("motd\nm<\nhalf", "m")).toEqual({ output: "half", code: undefined, began: true });
  });

  it("holds no NUL", () => {
    expect(() => quoteAll(["a\0b"])).toThrow(TypeError);
  });
});

describe("a server's text", () => {
  it("cannot move the cursor, retitle the terminal or turn writing round", () => {
    expect(harmless("\x1b[2J\x1b]0;title\x07Pass\u202ecode\b: \x9b31m")).toBe("Passcode: 31m");
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(harmless(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      }),
    );
  });
});
