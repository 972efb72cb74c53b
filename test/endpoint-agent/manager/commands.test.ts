import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { isAlive } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a manager (%s) with shell commands", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());
  const command = (template: string, env?: Record<string, string>) =>
    agent.register({ runtime: "command", ...(env ? { env } : {}) }, template);

  it("returns stdout, stderr and exit code, and sends the ends of the output too", async () => {
    const fn = command("printf %s {text}; echo oops >&2");
    const received = await agent.call(fn, [{ text: "it's $HOME" }]);
    expect(received.value).toEqual({ stdout: "it's $HOME", stderr: "oops\n", exitCode: 0 });
    expect([received.stdoutText, received.stderrText]).toEqual(["it's $HOME", "oops\n"]);
    expect(received.worker).toMatch(/^command-/);
  });

  it("fails with the exit code and stderr, unless failure is allowed", async () => {
    const fn = command("echo why >&2; exit 3");
    const { outcome, failure } = await agent.call(fn, []);
    expect([outcome, failure?.code, failure?.exitCode]).toEqual(["failed", "COMMAND_FAILED", 3]);
    expect(failure?.message).toContain("why");
    expect((await agent.call(fn, [], { allowFailure: true })).value).toEqual({
      stdout: "",
      stderr: "why\n",
      exitCode: 3,
    });
  });

  it("gives a command its variables and a directory of its own, and removes it", async () => {
    const fn = command('pwd; echo "$A $B $FARCALL_TASK $FARCALL_ATTEMPT"; touch left; stat -c %a . "$TMPDIR"', {
      A: "1",
      B: "x",
    });
    const { value, id } = await agent.call(fn, [], { env: { B: "2" }, attempt: 1 });
    const [cwd, variables, ...modes] = (value as { stdout: string }).stdout.trim().split("\n");
    expect(variables).toBe(`1 2 ${id} 2`);
    expect(modes).toEqual(["700", "700"]);
    await agent.until(() => !existsSync(cwd as string), "the directory's end");
  });

  it("sends a large output as a blob, and says when its middle is missing", async () => {
    const fn = command("head -c {size} /dev/zero | tr '\\0' x");
    const large = await agent.call(fn, [{ size: 600_000 }]);
    expect((large.value as { stdout: string }).stdout).toHaveLength(600_000);
    expect(large.blob).toHaveLength(64);
    const huge = await agent.call(fn, [{ size: 50_000_000 }]);
    expect(huge.stdoutTotal).toBe(50_000_000);
    const { stdout, truncated } = huge.value as { stdout: string; truncated: boolean };
    expect(truncated).toBe(true);
    expect(stdout).toContain("bytes left out");
    expect(stdout.length).toBeLessThan(3_000_000);
  });

  it("W3: reports the signal that ended a command, and W4: its timeout", async () => {
    expect((await agent.call(command("kill -SEGV $$"), [])).failure).toMatchObject({
      code: "SIGNAL",
      signal: "SIGSEGV",
    });
    expect((await agent.call(command("kill -KILL $$"), [])).outcome).toBe("lost");
    const file = join(agent.dir, "pids");
    const [id] = agent.submit(command("(echo $$; sleep 1000 & echo $!) > {file}; wait; sleep 1000"), [[{ file }]], {
      timeoutMs: 400,
    }) as [string];
    expect((await agent.result(id)).failure?.code).toBe("TIMEOUT");
    const pids = readFileSync(file, "utf8").trim().split("\n").map(Number);
    expect(pids).toHaveLength(2);
    await agent.until(() => !pids.some(isAlive), "the command's end");
  });

  it("names what is wrong with the arguments", async () => {
    const { failure, started } = await agent.call(command("wc {fiel}"), [{ file: "a" }]);
    expect(failure).toMatchObject({ code: "LOAD_ERROR", message: expect.stringContaining('field "fiel"') });
    expect(started).toBeUndefined();
  });

  it("runs no more at once than the node has cores, and leaves nothing behind", async () => {
    const fn = command("mkdir {dir}/run-$$; ls {dir} | wc -l; sleep 0.05; rmdir {dir}/run-$$");
    const dir = join(agent.dir, "cache");
    const before = readdirSync(dir).length;
    const ids = agent.submit(
      fn,
      Array.from({ length: 20 }, () => [{ dir }]),
    );
    const seen = [];
    for (const id of ids) seen.push(Number(((await agent.result(id)).value as { stdout: string }).stdout) - before);
    expect(Math.max(...seen)).toBe(2);
    await agent.until(
      () => readdirSync(join(agent.config.dir, "work")).every((name) => !name.startsWith("command-")),
      "clean-up",
    );
    expect(statSync(agent.config.dir).mode & 0o777).toBe(0o700);
  });
});
