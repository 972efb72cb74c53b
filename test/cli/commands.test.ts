import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { BIN, type CliHome, createCliHome } from "../support/cli.ts";
import { waitFor } from "../support/wait-for.ts";

const SQUARE =
  "export function square(x) { return x * x; }\nexport function fail(x) { throw new RangeError('no ' + x); }\n";
const STATS = "import sys\ndef mean(xs):\n    print('counting', len(xs))\n    return sum(xs) / len(xs)\n";

let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
  await writeFile(join(home.dir, "square.mjs"), SQUARE);
  await writeFile(join(home.dir, "stats.py"), STATS);
  const up = await home.run(["up", "--detach"]);
  if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
});
afterAll(() => home.remove());

const js = (name: string) => ["--js", `square.mjs:${name}`];

describe("farcall call", () => {
  it("calls an export of a file, and then the same function by name and by id", async () => {
    expect(await home.run(["call", ...js("square"), "12"])).toMatchObject({ code: 0, stdout: "144\n", stderr: "" });
    expect((await home.run(["call", "square.square", "5"])).stdout).toBe("25\n");
    const [view] = await home.json<{ id: string; name: string }[]>(["functions", "ls", "--name", "square.square"]);
    expect((await home.run(["call", view?.id as string, "6"])).stdout).toBe("36\n");
  });

  it("calls a function of a Python file and shows what it prints with --logs", async () => {
    const run = await home.run(["call", "--python", "stats.py:mean", "--logs", "[1, 2, 6]"]);
    expect(run).toMatchObject({ code: 0, stdout: "3\n" });
    expect(run.stderr).toContain("counting 3");
  });

  it("takes a Python function's keyword arguments", async () => {
    await writeFile(join(home.dir, "scale.py"), "def scale(x, base=2, note=''):\n    return [x * base, note]\n");
    const scale = (...words: string[]) => home.run(["call", "--python", "scale.py:scale", ...words]);
    const run = await scale("--kwarg", "base=10", "--kwarg", "note=a=b", "3");
    expect(JSON.parse(run.stdout)).toEqual([30, "a=b"]);
    expect(await scale("--kwarg", "base", "3")).toMatchObject({ code: EXIT.usage });
    const js = await home.run(["call", "--js", "square.mjs:square", "--kwarg", "x=3"]);
    expect(js).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining("are for Python functions") });
  });

  it("shows the remote exception and exits with 1", async () => {
    const run = await home.run(["call", ...js("fail"), "42"]);
    expect(run).toMatchObject({ code: EXIT.taskFailed, stdout: "" });
    expect(run.stderr).toMatch(/USER_ERROR: RangeError: no 42\n[\s\S]*│ /);
  });

  it("prints the result with the task's id as JSON", async () => {
    const result = await home.json(["call", ...js("square"), "3"]);
    expect(result).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), value: 9 });
  });

  it("prints only the id with --no-wait", async () => {
    const { stdout } = await home.run(["call", ...js("square"), "--no-wait", "7"]);
    const id = stdout.trim();
    const task = await home.json<{ state: string }>(["tasks", "show", id]);
    expect(["queued", "leased", "running", "succeeded"]).toContain(task.state);
  });

  it("exits with 3 for a function or an endpoint that does not exist", async () => {
    expect(await home.run(["call", "nothing", "1"])).toMatchObject({ code: EXIT.notFound, stdout: "" });
    const elsewhere = await home.run(["call", ...js("square"), "-e", "nowhere", "1"]);
    expect(elsewhere).toMatchObject({ code: EXIT.notFound, stdout: "" });
    expect(elsewhere.stderr).toContain("ENDPOINT_UNKNOWN");
  });

  it("exits with 2 for arguments that are not JSON and exports that are not there", async () => {
    expect(await home.run(["call", ...js("square"), "{x:1}"])).toMatchObject({ code: EXIT.usage });
    const missing = await home.run(["call", ...js("cube"), "1"]);
    expect(missing).toMatchObject({ code: EXIT.usage, stderr: expect.stringMatching(/exports no cube.*fail, square/) });
    for (const option of ["--js", "--python"]) {
      const { code, stderr } = await home.run(["call", option, "gone.file:square", "1"]);
      expect({ code, stderr }).toMatchObject({
        code: EXIT.usage,
        stderr: expect.stringContaining("gone.file cannot be"),
      });
    }
  });
});

describe("farcall map", () => {
  it("streams results as JSON Lines, in order when asked", async () => {
    const input = Array.from({ length: 500 }, (_, i) => `${i}\n`).join("");
    const run = await home.run(["map", ...js("square"), "-", "--ordered"], { input });
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const lines = run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toEqual(Array.from({ length: 500 }, (_, i) => ({ index: i, value: i * i })));
  });

  it("reads a file, goes on after a failure and exits with 1", async () => {
    await writeFile(join(home.dir, "items.jsonl"), '1\n\n"two"\n');
    const run = await home.run(["map", ...js("fail"), "items.jsonl", "--ordered"]);
    expect(run.code).toBe(EXIT.taskFailed);
    const lines = run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => line.error.code)).toEqual(["USER_ERROR", "USER_ERROR"]);
    expect(lines[1].error.message).toBe("RangeError: no two");
  });

  it("names the line that is not JSON", async () => {
    const run = await home.run(["map", ...js("square"), "-"], { input: "1\nnope\n" });
    expect(run).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining("stdin:2 is not JSON: nope") });
  });
});

describe("farcall run", () => {
  it("shows both outputs and exits with the command's code", async () => {
    const run = await home.run(["run", "--", "echo out; echo err >&2; exit 7"]);
    expect(run).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
  });

  it.each(["a moment", "no time"])("hands on every byte of both outputs of a command that takes %s", async (time) => {
    // Not UTF-8, halves of characters at its ends, more than the tail that travels with a result.
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * i * 7 + 0x80) & 0xff));
    await writeFile(join(home.dir, "bytes"), bytes);
    const [out, err] = [join(home.dir, "out"), join(home.dir, "err")];
    const line = `cat '${home.dir}/bytes'; ${time === "a moment" ? "sleep 0.3;" : ""} cat '${home.dir}/bytes' >&2; exit 3`;
    const [stdout, stderr] = [await open(out, "w"), await open(err, "w")];
    const child = spawn(process.execPath, [BIN, "run", "--", line], {
      env: home.env,
      stdio: ["ignore", stdout.fd, stderr.fd],
    });
    const [code] = await once(child, "close");
    await Promise.all([stdout.close(), stderr.close()]);
    expect(code).toBe(3);
    expect((await readFile(out)).equals(bytes)).toBe(true);
    expect((await readFile(err)).equals(bytes)).toBe(true);
  });

  it("takes several words as they are", async () => {
    const run = await home.run(["run", "--", "printf", "%s|", "a b", "$HOME", "it's", "{x}"]);
    expect(run).toMatchObject({ code: 0, stdout: "a b|$HOME|it's|{x}|" });
  });

  it("shows output while the command runs", async () => {
    const marker = join(home.dir, "go");
    const watched = home.start(["run", "--", `echo first; until [ -e '${marker}' ]; do sleep 0.05; done; echo last`]);
    await waitFor(() => watched.stdout() === "first\n");
    await writeFile(marker, "");
    expect(await watched.done).toMatchObject({ code: 0, stdout: "first\nlast\n" });
  });

  it("cancels the task at Ctrl-C and exits with 130", async () => {
    const group = "interrupted";
    const running = home.start(["run", "--group", group, "--", "echo started; sleep 600"]);
    await waitFor(() => running.stdout() === "started\n");
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(EXIT.interrupted);
    await waitFor(async () => {
      const [task] = await home.json<{ state: string }[]>(["tasks", "ls", "--group", group]);
      return task?.state === "cancelled";
    });
  });
});
