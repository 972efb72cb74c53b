// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell, not JavaScript
/** Shell injection: what is hostile is refused by the configuration; what is not refused stays text when the script runs. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dialect } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { DIALECTS } from "../../../endpoint-agent/provider/batch/dialects.ts";
import { submission } from "../../../endpoint-agent/provider/batch/engine.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";
import { shellWord } from "../../../endpoint-agent/shell-word.ts";

/** `@` becomes a command that leaves a file behind. */
const PAYLOADS = [
  "$(@)",
  "`@`",
  "${IFS}$(@)",
  "$((@))",
  "${x:-$(@)}",
  "; @ ;",
  "\n@\n",
  "\r\n@\r\n",
  "a\n#PBS -W x=$(@)",
  "a\n@ #",
  "& @ &",
  "&& @",
  "|| @",
  "| @",
  "(@)",
  "{ @; }",
  "!@",
  "<(@)",
  ">(@)",
  "$'\\n'@",
  "\\\n@",
  "'; @; '",
  '"; @; "',
  "'\"'\"; @; '",
  "*; @",
  "~$(@)",
  "# @\n@",
  "EOF\n@\n",
  "<<EOF\n@\nEOF\n@",
  "\0; @",
  "a b; @",
  "--; @",
  "-o /dev/null; @",
  "%0a@",
  "=$(@)",
  "a=$(@)",
  "[$(@)]",
  "a[$(@)]",
  "x[0$(@)]=1",
  "\u2028@",
  "\u0085@",
  "\x1b]0;$(@)\x07",
  "…; @",
  "$[@]",
  "$PATH;@",
  "${@}",
  "\t;@",
];
const TOKENS = ["queue", "account", "qos", "reservation", "constraint", "nodeType", "parallelEnvironment"] as const;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "injection-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const canary = () => join(dir, "canary");
const hostile = () => PAYLOADS.map((payload) => payload.replaceAll("@", `touch ${canary()}`));

describe("shell injection", () => {
  it("refuses every hostile value of a plain field, alone and behind a good beginning", () => {
    for (const field of TOKENS) {
      for (const text of hostile().flatMap((one) => [one, `normal${one}`, `${one}normal`])) {
        expect(BatchConfig.safeParse({ type: "slurm", [field]: text }).success, `${field}: ${text}`).toBe(false);
      }
      expect(BatchConfig.safeParse({ type: "slurm", [field]: "normal" }).success).toBe(true);
    }
  });

  it("refuses directives of more than one line, or that a shell could read", () => {
    for (const text of hostile().filter((one) => /[\n\r$`'"\\;<>{}\0]/.test(one))) {
      expect(BatchConfig.safeParse({ type: "pbs", directives: [text] }).success, text).toBe(false);
    }
  });

  it("refuses a directory that a scheduler's command line or a directive could take for something else", () => {
    for (const text of hostile()) {
      const block = { ...request(), dir: `/scratch/${text}` };
      expect(() => submission(options("torque"), block), text).toThrow("plain path");
    }
  });

  for (const type of Object.keys(DIALECTS) as BatchConfig["type"][]) {
    it(`${type}: a script full of hostile text leaves no canary`, () => {
      const allowed = acceptedBy(type);
      for (const chunk of [allowed, []]) {
        const block = {
          ...request(),
          launch: ["/bin/sh", "-c", 'printf "%s\\n" "$@" >arguments', "sh", ...hostile().map(withoutNul)],
          env: Object.fromEntries(
            hostile().map((text, i) => [i % 2 ? `LC_X${"A".repeat(i)}` : "LANG", withoutNul(text)]),
          ),
        };
        const { script } = submission(options(type, chunk), block);
        const path = join(block.dir, "script");
        writeFileSync(path, script);
        execFileSync("bash", ["-n", path]);
        for (const shell of ["bash", "dash"]) {
          const ran = spawnSync(shell, [path], {
            cwd: block.dir,
            encoding: "utf8",
            env: { PATH: "/usr/bin:/bin", HOME: block.dir },
          });
          expect(ran.status, ran.stderr).toBe(0);
          expect(existsSync(join(block.dir, "exit"))).toBe(true);
          expect(existsSync(canary()), `${type} under ${shell}`).toBe(false);
        }
      }
    });

    it(`${type}: what is allowed in a directive stays on its line`, () => {
      const allowed = acceptedBy(type);
      const lines = submission(options(type, allowed), request()).script.split("\n");
      const end = lines.findIndex((line) => line.startsWith("farcall_file="));
      for (const line of lines.slice(0, end).filter((line) => line.includes(canary()))) expect(line).toMatch(/^#/);
      const argv = submission(options(type, allowed), request()).argv;
      for (const word of argv) expect(word).not.toMatch(/[\n\0]/);
    });
  }

  it("gives every text back as it was, through real shells", () => {
    const text = fc.string({ maxLength: 60, unit: "binary" }).map((one) => withoutNul(one).toWellFormed());
    const nasty = fc.constantFrom(...PAYLOADS.map(withoutNul), "", "'", "''", "\\", "-n", "-e", "$", "é\n", "\n");
    const texts = fc.sample(fc.oneof(text, nasty), { numRuns: 20_000, seed: 7 });
    for (const shell of ["bash", "dash"]) {
      const script = `printf '%s\\0' ${texts.map(shellWord).join(" ")}`;
      const out = execFileSync(shell, [], { input: script, maxBuffer: 64 * 1024 * 1024, encoding: "utf8" });
      expect(out.split("\0").slice(0, -1)).toEqual(texts);
    }
  });
});

/** The payloads that pass as directives: they hold nothing that a shell reads in a comment. */
function acceptedBy(type: BatchConfig["type"]): string[] {
  return hostile().filter((text) => {
    try {
      submission(options(type, [text]), request());
      return true;
    } catch {
      return false;
    }
  });
}

let blocks = 0;
function request() {
  const block = join(dir, `block${++blocks}`);
  mkdirSync(block);
  const launch = ["/bin/true"];
  const logFiles = [join(block, "log")];
  return {
    name: `block-${blocks}`,
    nodes: 1,
    walltimeMs: 60_000,
    commands: [launch],
    launch,
    logFiles,
    env: {},
    dir: block,
  };
}

function options(type: BatchConfig["type"], directives: string[] = []) {
  const config = BatchConfig.parse({ type, directives });
  const dialect = DIALECTS[type] as Dialect;
  return { dialect, config, endpoint: "site", node: { cores: 1, memoryMb: 1, gpus: 0 } };
}

function withoutNul(text: string): string {
  return text.replaceAll("\0", "");
}
