// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the shell's
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { fillTemplate, quote } from "../../../endpoint-agent/manager/template.ts";

const dir = mkdtempSync(join(tmpdir(), "farcall-template-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const shells = ["/bin/sh", "/bin/bash"].filter((file) => existsSync(file));
/** Runs a script with nothing on the PATH: only what the shell has itself. */
const sh = (script: string, shell = "/bin/sh") =>
  spawnSync(shell, ["-c", script], { cwd: dir, env: { PATH: "" }, encoding: "utf8", timeout: 5_000 });

const text = fc.string({ unit: fc.constantFrom(..."ab01 '\"\\`$(){}[]<>|&;*?~#!=%\n\t-/é世"), maxLength: 30 });

/** A template's pieces, and what printf shows of each when {v} is `value`. */
const pieces: [template: string, shown: (value: string) => string][] = [
  ["{v}", (value) => value],
  ['"{v}"', (value) => value],
  ["'{v}'", (value) => value],
  ["a{v}b", (value) => `a${value}b`],
  ['"<{v}>$((1+1))"', (value) => `<${value}>2`],
  ["'$x{v}`'", (value) => `$x${value}\``],
  ["\\\"{v}\\'", (value) => `"${value}'`],
  ['"$(printf %s_ {v})"', (value) => `${value}_`],
  ['"$(printf %s_ "{v}")"', (value) => `${value}_`],
  ["\"$(printf %s_ '<{v}')\"", (value) => `<${value}_`],
  ['"${NONE}{v}"', (value) => value],
  ["{{v}}", () => "{v}"],
];

describe("a command's template", () => {
  it("passes any text to sh as it is, wherever it stands", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 }), text, (chosen, value) => {
        const template = `printf '%s\\036' ${chosen.map(([piece]) => piece).join(" ")}`;
        const { stdout, status } = sh(fillTemplate(template, { v: value }));
        expect(status).toBe(0);
        expect(stdout).toBe(chosen.map(([, shown]) => `${shown(value)}\u001e`).join(""));
      }),
      { numRuns: 150 },
    );
  });

  it("never lets a value run as code, whatever the template is: it is refused or quoted", { timeout: 600_000 }, () => {
    const canary = join(dir, "canary");
    const value = `'"$(echo >${canary})\`echo >${canary}\`;echo >${canary}\n`;
    const around = fc.string({ unit: fc.constantFrom(..."x '\"\\`$(){}[]#<;\n=:-"), maxLength: 14 });
    let run = 0;
    fc.assert(
      fc.property(around, around, (before, after) => {
        let script: string;
        try {
          script = fillTemplate(`${before}{v}${after}`, { v: value, x: "x" });
        } catch {
          return;
        }
        run++;
        for (const shell of shells) sh(script, shell);
        expect(existsSync(canary)).toBe(false);
      }),
      { numRuns: Number(process.env.FARCALL_FUZZ_RUNS ?? 400) },
    );
    expect(run).toBeGreaterThan(50);
  });

  it.each([
    ["a here-document", "cat <<E\n{v}\nE"],
    ["backticks", "echo `echo {v}`"],
    ["an arithmetic expansion", "echo $(( {v} ))"],
    ["a nested arithmetic expansion", "echo $(( (1+(2)) + {v} ))"],
    ["a parameter expansion", "echo ${x:-{v}}"],
    ["a quoted parameter expansion", 'echo "${x:-"{v}"}"'],
    ["a comment", "echo 1 # {v}\n"],
    ["bash's $'…'", "echo $'\\'' {v}"],
    ["what an escaped end of line may have made a comment", "echo a\\\n#\"\n'{v}'"],
    ["what the end of $(…) may have made a comment", "echo $(echo a)#\"\n'{v}'"],
    ["what $$ may have made an expansion", 'echo "$$( {v}"'],
    ["what $$ may have made an expansion in $(…)", "echo \"$(echo $$'{v}')\""],
    ["bash's $[…]", "echo $[ {v} ]"],
    ["bash's ((…))", "(( {v} ))"],
    ["a case in parentheses", 'echo "$(case a in a) echo {v};; esac)"'],
  ])("refuses a value in %s", (_, template) => {
    expect(() => fillTemplate(template, { v: "1" })).toThrow(/no quoting is safe/);
  });

  it("takes $$ for a number that a quote may follow", () => {
    const template = `printf '%s.' "x$$" '{v}' "{v}/$$" $$"{v}"`;
    for (const shell of shells) {
      const { stdout } = sh(fillTemplate(template, { v: "$(echo canary)" }), shell);
      expect(stdout).toMatch(/^x(\d+)\.\$\(echo canary\)\.\$\(echo canary\)\/\1\.\1\$\(echo canary\)\.$/);
    }
  });

  it("knows that an escaped character begins no comment", () => {
    for (const char of [";", "(", ")", "&", " "]) {
      const script = fillTemplate(`printf %s \\${char}#"\n'{v}"`, { v: "$(echo canary)" });
      for (const shell of shells) expect(sh(script, shell).stdout).toBe(`${char}#\n'$(echo canary)`);
    }
  });

  it("names a field that is missing, and how to write braces", () => {
    expect(() => fillTemplate("wc {fiel}", { file: "a" })).toThrow(/needs a field "fiel"; the call gave: file/);
    expect(() => fillTemplate("wc {toString}", {})).toThrow(/needs a field/);
    expect(fillTemplate("awk '{{print}}' ${HOME} {}", {})).toBe("awk '{print}' ${HOME} {}");
  });

  it("takes numbers, truth values, dates and lists", () => {
    const fields = { n: 1.5, b: true, d: new Date(0), l: ["a b", 2], big: 10n };
    expect(fillTemplate("x {n} {b} {d} {l} {big}", fields)).toBe(
      "x '1.5' 'true' '1970-01-01T00:00:00.000Z' 'a b' '2' '10'",
    );
    expect(() => fillTemplate('"{l}"', fields)).toThrow(/fits only outside quotes/);
    expect(() => fillTemplate("{o}", { o: {} })).toThrow(/takes text, numbers and lists/);
    expect(() => quote("a\0b")).toThrow(/NUL/);
  });
});
