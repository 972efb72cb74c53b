import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blockEnvironment, commandEnvironment } from "../../../endpoint-agent/provider/batch/environment.ts";
import { parseExitFile, readExitFile } from "../../../endpoint-agent/provider/batch/exit-file.ts";
import { jobName, namePrefix } from "../../../endpoint-agent/provider/batch/names.ts";
import { batchScript } from "../../../endpoint-agent/provider/batch/script.ts";
import { slurm } from "../../../endpoint-agent/provider/batch/slurm.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";
import { shellWord } from "../../../endpoint-agent/shell-word.ts";
import { newId } from "../../../protocol/ids.ts";
import { until } from "../support.ts";

const shells = ["bash", "dash", "sh"].filter((shell) => spawnSync(shell, ["-c", "exit 0"]).status === 0);

describe("the script of a block", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-script-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const write = (
    launch: string[],
    options: { env?: Record<string, string>; prologue?: string; walltimeMs?: number } = {},
  ) => {
    const { env = {}, prologue = "", walltimeMs = null } = options;
    const config = BatchConfig.parse({ type: "slurm", prologue });
    const shape = { nodes: 1, coresPerNode: 1, memoryMbPerNode: null, gpusPerNode: 0, walltimeMs };
    const job = { name: "x", logFile: "/dev/null", options: config, ...shape };
    const file = join(dir, "script");
    writeFileSync(file, batchScript(slurm, { job, dir, env, launch }), { mode: 0o700 });
    return file;
  };

  describe.each(shells)("under %s", (shell) => {
    it.each([
      [0, 0],
      [7, 7],
      [99, 1],
      [100, 1],
      [127, 127],
      [137, 137],
    ])("ends with the launcher's exit code %i as %i, and writes it down with its host and times", (code, wanted) => {
      const { status } = spawnSync(shell, [write(["sh", "-c", `exit ${code}`])]);
      expect(status).toBe(wanted);
      const file = readExitFile(dir);
      expect(file?.end?.code).toBe(wanted);
      expect(file?.host).not.toBe("");
      expect(file?.end?.at).toBeGreaterThanOrEqual(file?.startedAt as number);
    });

    it("ends with 127 when the launcher is not there", () => {
      expect(spawnSync(shell, [write(["/no/such/launcher"])]).status).toBe(127);
      expect(readExitFile(dir)?.end?.code).toBe(127);
    });

    it.each([
      ["SIGUSR1", "USR1"],
      ["SIGTERM", "TERM"],
      ["SIGUSR2", "TERM"],
    ] as const)("passes %s on as %s, and waits for the launcher all the same", async (signal, name) => {
      const note = join(dir, "note");
      const launcher = `trap 'echo ${name} >>${note}; sleep 0.2; exit 5' ${name}; echo up >${note}; while :; do sleep 0.05; done`;
      const child = spawn(shell, [write(["sh", "-c", launcher])], { stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
      await until("it is up", () => existsSync(note) && readFileSync(note, "utf8") !== "");
      expect(readExitFile(dir)?.end).toBeNull();
      child.kill(signal);
      expect(await ended).toBe(5);
      expect(readFileSync(note, "utf8")).toBe(`up\n${name}\n`);
      expect(readExitFile(dir)?.end?.code).toBe(5);
    });

    it("takes no word of argv or environment for shell", () => {
      fc.assert(
        fc.property(fc.array(hostile, { minLength: 1, maxLength: 20 }), (words) => {
          const env = Object.fromEntries(words.map((word, i) => [`V${i}`, word]));
          const show =
            'for (const w of process.argv.slice(1)) process.stdout.write(w + "\\0"); process.stdout.write(JSON.stringify(process.env))';
          const script = write([process.execPath, "-e", show, "--", ...words], { env });
          execFileSync(shell, ["-n", script]);
          const parts = execFileSync(shell, [script], { cwd: dir, encoding: "utf8" }).split("\0");
          expect(parts.slice(0, -1)).toEqual(words);
          expect(JSON.parse(parts.at(-1) as string)).toMatchObject(env);
          expect(existsSync(join(dir, "canary"))).toBe(false);
        }),
        { numRuns: 8 },
      );
    });
  });

  it("tells when the walltime ends, runs the prologue after the machine's profile, and forgets the agent's locale", () => {
    const show = 'echo "$FARCALL_ENDS_AT $FROM_PROLOGUE $(printenv LC_ALL || echo none)"';
    const script = write(["sh", "-c", show], {
      prologue: "FROM_PROLOGUE=yes\nexport FROM_PROLOGUE",
      walltimeMs: 90_000,
    });
    const text = execFileSync("bash", [script], { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
    const [at, ...rest] = text.trim().split(" ");
    expect(rest).toEqual(["yes", "none"]);
    expect(Number(at) - (readExitFile(dir)?.startedAt as number)).toBe(90);
  });

  it("a second incarnation writes over the first", () => {
    spawnSync("bash", [write(["true"])]);
    const first = readExitFile(dir);
    spawnSync("bash", [write(["sh", "-c", `cp ${dir}/exit ${dir}/during`])]);
    const during = parseExitFile(readFileSync(join(dir, "during"), "utf8"));
    expect(during?.end).toBeNull();
    expect(during?.incarnation).not.toBe(first?.incarnation);
  });

  it("an exit-code file that is cut, or garbage, says nothing", () => {
    const whole = "incarnation=h-1-2\nhost=h\nstart=1\nend=5\ncode=0\ncomplete=1\n";
    expect(parseExitFile(whole)?.end).toEqual({ at: 5, code: 0 });
    for (let cut = 0; cut < whole.length - 1; cut++) expect(parseExitFile(whole.slice(0, cut))).toBeUndefined();
    for (const text of [
      whole.replace("code=0", "code=x"),
      whole.replace("code=0", "code=999"),
      whole.replace("start=1", "start="),
    ]) {
      expect(parseExitFile(text)).toBeUndefined();
    }
  });
});

describe("what surrounds a submission", () => {
  it("commands get a clean environment in English, scripts nothing secret", () => {
    const env = {
      PATH: "/bin",
      HOME: "/h",
      SQUEUE_FORMAT: "%i",
      SBATCH_PARTITION: "x",
      LC_ALL: "de_DE",
      FARCALL_TOKEN: "secret",
      LANG: "de_DE",
      https_proxy: "http://p",
      HTTPS_PROXY: "http://me:secret@p",
    };
    expect(commandEnvironment(env, { SLURM_TIME_FORMAT: "%s" })).toEqual({
      PATH: "/bin",
      HOME: "/h",
      LC_ALL: "C",
      SLURM_TIME_FORMAT: "%s",
    });
    expect(blockEnvironment(env)).toEqual({ PATH: "/bin", LC_ALL: "de_DE", LANG: "de_DE", https_proxy: "http://p" });
  });

  it("names fit the scheduler, begin with the endpoint's own prefix, and are their block's alone", () => {
    fc.assert(
      fc.property(fc.integer({ min: 15, max: 64 }), (length) => {
        const [endpoint, block, other] = [newId(), newId(), newId()];
        const name = jobName(endpoint, block, length);
        expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
        expect(name.length).toBeLessThanOrEqual(length);
        expect(name.startsWith(namePrefix(endpoint, length))).toBe(true);
        expect(jobName(endpoint, block, length)).toBe(name);
        expect(jobName(endpoint, other, length)).not.toBe(name);
      }),
    );
  });

  it("quotes any text as one word", () => {
    expect(shellWord("plain/word-1.2")).toBe("plain/word-1.2");
    expect(shellWord("")).toBe("''");
    expect(shellWord("it's $HOME")).toBe("'it'\\''s $HOME'");
  });
});

const hostile = fc.oneof(
  fc.constantFrom(
    "",
    "'",
    '"',
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "a\nb",
    "\\",
    "$HOME",
    "*",
    "~",
    "-n",
    "!!",
    "#SBATCH --x",
    "\u001b[31m",
    "é漢",
    "a'b\"c$d`e\\f",
  ),
  fc.string({ maxLength: 30, unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
);
