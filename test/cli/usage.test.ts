import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CliContext } from "../../cli/context.ts";
import { EXIT, EXIT_MEANINGS, exitCodeOf } from "../../cli/exit-codes.ts";
import { createTerminal } from "../../cli/output/terminal.ts";
import { createProgram } from "../../cli/program.ts";
import { ApiError, ERRORS, type ErrorCode } from "../../protocol/errors.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";

let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
});
afterAll(() => home.remove());

describe("the command line", () => {
  it("says what is wrong with it and exits with 2", async () => {
    const cases: [string[], RegExp][] = [
      [["no-such-command"], /unknown command 'no-such-command'/],
      [["tasks", "lz"], /unknown command 'lz'[\s\S]*Did you mean ls/],
      [["tasks"], /Commands:[\s\S]*cancel/],
      [["tasks", "ls", "--state", "bogus"], /expected one of held, staging, queued/],
      [["tasks", "ls", "--limit", "0"], /whole number from 1 to 1000/],
      [["call", "f", "--timeout", "soon"], /250ms, 90s, 15m/],
      [["up", "--durability", "maybe"], /Allowed choices are disk, fast/],
      [["completion", "tcsh"], /Allowed choices are bash, zsh, fish/],
      [["call", "--python", "a.py", "--js", "b.js"], /cannot be used with/],
    ];
    const runs = await Promise.all(cases.map(([args]) => home.run(args)));
    for (const [index, run] of runs.entries()) {
      expect(run.stderr).toMatch(cases[index]?.[1] as RegExp);
      expect(run).toMatchObject({ code: EXIT.usage, stdout: "" });
    }
  });

  it("says which configuration cannot be read before it logs in anywhere", async () => {
    const { stderr } = await home.run(["endpoint", "deploy", "me@login.example.org", "--config", "/nowhere.yaml"]);
    expect(stderr).toContain("/nowhere.yaml cannot be read");
  });

  it("says how to get a gateway when there is none, and exits with 4", async () => {
    const run = await home.run(["tasks", "ls"]);
    expect(run.code).toBe(EXIT.unreachable);
    expect(run.stderr).toMatch(/no gateway is configured.*`farcall up`/);
  });

  it("exits with 4 when the gateway does not answer, and prints the error as JSON with --json", async () => {
    const run = await home.run(["tasks", "ls", "--json"], {
      env: { FARCALL_URL: "http://127.0.0.1:1", FARCALL_TOKEN: "t" },
    });
    expect(run.code).toBe(EXIT.unreachable);
    expect(JSON.parse(run.stderr).error).toMatchObject({ code: "UNAVAILABLE", next: expect.any(String) });
  });

  it("shows help and version on stdout and exits with 0", async () => {
    const [help, version] = await Promise.all([home.run(["--help"]), home.run(["--version"])]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const [, meaning] of EXIT_MEANINGS) expect(help.stdout).toContain(meaning);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("is down when nothing was started", async () => {
    expect(await home.json(["down"])).toEqual({ state: "not-running" });
  });

  it("doctor says what is wrong and what to do", async () => {
    const run = await home.run(["doctor", "--json"]);
    expect(run.code).toBe(EXIT.machine);
    const { ok, findings } = JSON.parse(run.stdout);
    expect(ok).toBe(false);
    const profile = findings.find((finding: { check: string }) => finding.check === "profile");
    expect(profile).toMatchObject({ state: "wrong", next: expect.stringContaining("farcall up") });
  });
});

describe("every command", () => {
  const commands = leaves(createProgram(fakeContext()));

  it("has a summary, examples and --json", () => {
    expect(commands.length).toBeGreaterThan(15);
    for (const command of commands) {
      const name = `${command.parent?.name()} ${command.name()}`;
      expect(command.summary(), name).not.toBe("");
      expect(
        command.options.map((option) => option.long),
        name,
      ).toContain("--json");
      expect(helpOf(command), name).toMatch(/Examples:\n {2}\S/);
    }
  });

  it("describes each of its options", () => {
    for (const command of commands) {
      for (const option of command.options)
        expect(option.description, `${command.name()} ${option.flags}`).not.toBe("");
    }
  });
});

describe("exit codes", () => {
  it("are given to every error of the table, and only documented ones", () => {
    const documented = new Set<number>(EXIT_MEANINGS.map(([code]) => code));
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(documented, code).toContain(exitCodeOf(new ApiError(code, "x")));
    }
  });

  it("tell apart a failed task, what is not found, what is refused and what may work later", () => {
    const of = (code: ErrorCode) => exitCodeOf(new ApiError(code, "x"));
    expect([of("NOT_FOUND"), of("FUNCTION_UNKNOWN"), of("ENDPOINT_UNKNOWN")]).toEqual([3, 3, 3]);
    expect([of("UNAUTHENTICATED"), of("FORBIDDEN")]).toEqual([5, 5]);
    expect([of("QUEUE_FULL"), of("RATE_LIMITED")]).toEqual([6, 6]);
    expect([of("USER_ERROR"), of("TIMEOUT"), of("CANCELLED")]).toEqual([1, 1, 1]);
    expect([of("UNAVAILABLE"), of("NATS_SERVER_MISSING"), of("INTERNAL")]).toEqual([4, 7, 70]);
  });
});

function leaves(command: Command): Command[] {
  if (command.name().startsWith("__") || command.name() === "help") return [];
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function helpOf(command: Command): string {
  let text = "";
  const write = (part: string) => {
    text += part;
  };
  command.configureOutput({ writeOut: write, writeErr: write }).outputHelp();
  return text;
}

function fakeContext(): CliContext {
  const { stdout, stderr } = process;
  return {
    env: {},
    terminal: createTerminal({ stdout, stderr, env: {} }),
    stdin: process.stdin,
    signal: new AbortController().signal,
    onForce: () => {},
    connect: () => Promise.reject(new Error("no gateway")),
    exit: () => {},
  };
}
