/** Both managers with functions in containers of the real runtimes, each from an image of this machine's own files. */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Container } from "../../../protocol/function.ts";
import { startTestAgent, type TestAgent } from "../../endpoint-agent/manager/test-agent.ts";
import { MANAGERS } from "../../support/managers.ts";
import { waitFor } from "../../support/wait-for.ts";
import { MISSING, type Ready, readyRuntime, type TestedRuntime } from "./runtimes.ts";

/** Whether a process has the word among its arguments or in its environment. */
const running = (word: string) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .some((pid) => {
      try {
        return ["cmdline", "environ"].some((file) => readFileSync(`/proc/${pid}/${file}`, "latin1").includes(word));
      } catch {
        return false;
      }
    });

const runtimes = Object.keys(MISSING) as TestedRuntime[];
const cases = runtimes.flatMap((runtime) => MANAGERS.map((type) => ({ runtime, type, why: why(runtime) })));
function why(runtime: TestedRuntime): string {
  return MISSING[runtime] ? ` (${MISSING[runtime]})` : "";
}

describe.each(cases)("a real $runtime and a manager ($type)$why", ({ runtime, type }) => {
  describe.skipIf(MISSING[runtime])("with functions in containers", () => {
    let ready: Ready;
    let shared: string;
    let agent: TestAgent;
    let container: Container;
    beforeAll(async () => {
      ready = await readyRuntime(runtime);
      shared = join(ready.dir, "shared");
      mkdirSync(shared);
      // What a site's modules leave in the environment of the node.
      process.env.PYTHONPATH = "/of/the/node";
      process.env.SSL_CERT_FILE = "/of/the/node.pem";
      process.env.AWS_SECRET = "of the node";
      container = { runtime, image: ready.image, binds: [shared] };
      agent = await startTestAgent({ type, capacity: { cores: 4, memoryMb: 4_096, gpus: 0 }, workersPerNode: 4 });
    });
    afterAll(async () => {
      await agent?.stop();
      await noContainer();
      await ready?.stop();
    });
    const noContainer = () => waitFor(() => ready.containers() === "", { what: "no container" });
    const command = (template: string) => agent.register({ runtime: "command", container }, template);
    const stdoutOf = ({ value, failure }: { value?: unknown; failure?: unknown }) => {
      expect(failure).toBe(undefined);
      return (value as { stdout: string }).stdout;
    };

    it("runs a command in the image, in the task's directory, with its variables and none of the node's", async () => {
      const show = command(
        "cat /etc/image; pwd; echo $FARCALL_TASK $GIVEN [$PYTHONPATH$SSL_CERT_FILE$AWS_SECRET$DOCKER_HOST$CONTAINERS_CONF] {x} | head; echo of-stderr >&2",
      );
      const result = await agent.call(show, [{ x: "it's" }], { env: { GIVEN: "yes" } });
      const [image, cwd, words] = stdoutOf(result).split("\n");
      expect([image, words]).toEqual(["in the image", `${result.id} yes [] it's`]);
      expect(cwd).toMatch(/\/command-\d+$/);
      expect((result.value as { stderr: string }).stderr).toBe("of-stderr\n");
      const given = await agent.call(command("echo $PYTHONPATH"), [{}], { env: { PYTHONPATH: "/mine" } });
      expect(stdoutOf(given)).toBe("/mine\n");
    });

    it("writes files that belong to who runs the manager", async () => {
      const file = join(shared, type);
      await agent.call(command("touch {file}; echo here > out; cat out"), [{ file }]);
      expect(statSync(file).uid).toBe(process.getuid?.());
    });

    it("hands on how a command ends, by an exit code or a signal of its own", async () => {
      const end = await agent.call(command("echo so >&2; exit 7"), [{}]);
      expect(end.failure).toMatchObject({
        code: "COMMAND_FAILED",
        exitCode: 7,
        message: expect.stringMatching(/: so$/),
      });
      for (const code of [125, 126, 127, 255]) {
        const { failure } = await agent.call(command(`exit ${code}`), [{}]);
        expect(failure).toMatchObject({ code: "COMMAND_FAILED", exitCode: code });
      }
      const { failure } = await agent.call(command("sh -c 'kill -SEGV $$'; exit $?"), [{}]);
      expect(failure).toMatchObject({ code: "COMMAND_FAILED", exitCode: 139 });
    });

    it("ends one that overruns its time and ignores SIGTERM, with all that it has started", async () => {
      const stubborn = command("trap '' TERM; (sleep 317; :) & sleep 317; echo never; sleep 317");
      const { failure } = await agent.call(stubborn, [{}], { timeoutMs: 2_000, env: { MARK: `stubborn-${type}` } });
      expect(failure).toMatchObject({ code: "TIMEOUT" });
      await waitFor(() => !running(`stubborn-${type}`), { what: "the end of its processes" });
      await noContainer();
    });

    it("ends one that is cancelled", async () => {
      const file = join(shared, `cancelled-${type}`);
      const fn = command("touch {file}; sleep 318");
      const [id] = agent.submit(fn, [[{ file }]], { env: { MARK: `cancelled-${type}` } }) as [string];
      await waitFor(() => readdirSync(shared).includes(`cancelled-${type}`), { what: "its start" });
      agent.send({ kind: "cancel", leases: [[id, 1]] });
      expect((await agent.result(id)).failure).toMatchObject({ code: "CANCELLED" });
      await waitFor(() => !running(`cancelled-${type}`), { what: "the end of its processes" });
      await noContainer();
    });

    it("keeps the beginning and the end of long output", async () => {
      const { value } = await agent.call(command("seq 1000000"), [{}]);
      const { stdout, truncated } = value as { stdout: string; truncated: boolean };
      expect([truncated, stdout.slice(0, 4), stdout.slice(-8)]).toEqual([true, "1\n2\n", "1000000\n"]);
    });

    it("ends one that needs more memory than it asked for as OOM", async () => {
      const greedy = command(`python3 -c "x = bytearray(400 << 20); print(len(x))"`);
      const resources = { cores: 1, memoryMb: 150, gpus: 0 };
      const { failure } = await agent.call(greedy, [{}], { resources });
      expect(failure).toMatchObject({ code: "OOM", details: { limitMb: 150 } });
    });

    it("runs several at once", async () => {
      const meet = command("touch {d}/{n}; until [ $(set -- $(ls {d}); echo $#) -ge 4 ]; do sleep 0.1; done; echo {n}");
      const d = join(shared, `meeting-${type}`);
      mkdirSync(d);
      const calls = [0, 1, 2, 3].map((n) => agent.call(meet, [{ d, n }], { timeoutMs: 15_000 }));
      expect((await Promise.all(calls)).map(stdoutOf)).toEqual(["0\n", "1\n", "2\n", "3\n"]);
    });

    it("says of an image that is not there what the runtime says, and what to do", async () => {
      const image = runtime === "apptainer" ? "/nowhere/missing.sif" : "localhost/farcall-missing:1";
      const gone = agent.register({ runtime: "command", container: { ...container, image } }, "true");
      const { failure } = await agent.call(gone, [{}]);
      expect(failure?.code).toBe("LOAD_ERROR");
      expect(failure?.message).toContain(`no container of ${image} was started by ${runtime}: exit code `);
      expect(failure?.message).toMatch(/no such (file|image)|cannot|error|unable|refused/i);
      expect(failure?.message).toMatch(/On the node, .* has to /);
    });

    const runs = (language: string) => !(type === "python" && language === "javascript");
    const python = (source: string) => agent.register({ runtime: "python", entry: "f", container }, source);
    it.runIf(runs("python"))(
      "runs Python functions with the image's own Python, one process for many calls",
      async () => {
        const source =
          "import os, sys\ndef f(x):\n    return [open('/etc/image').read(), x, os.getpid(), os.environ.get('PYTHONPATH'), sys.path[-1]]\n";
        const f = agent.register({ runtime: "python", entry: "f", container }, source);
        const [image, x, pid, path] = (await agent.call(f, [3])).value as [string, number, number, string | null];
        expect([image, x, path]).toEqual(["in the image\n", 3, null]);
        expect((await agent.call(f, [4])).value).toEqual(["in the image\n", 4, pid, null, expect.anything()]);
        const fail = agent.register(
          { runtime: "python", entry: "f", container },
          "def f():\n    raise ValueError('so')\n",
        );
        expect((await agent.call(fail, [])).failure).toMatchObject({ code: "USER_ERROR", message: "so" });
      },
    );

    it.runIf(runs("javascript"))("runs JavaScript functions with the image's own Node", async () => {
      const source =
        'import { readFileSync } from "node:fs"; export default (x) => [readFileSync("/etc/image", "utf8"), x];';
      const f = agent.register({ runtime: "javascript", container }, source);
      for (const x of [1, 2]) expect((await agent.call(f, [x])).value).toEqual(["in the image\n", x]);
      const fail = agent.register(
        { runtime: "javascript", container },
        'export default () => { throw new Error("so"); };',
      );
      expect((await agent.call(fail, [])).failure).toMatchObject({ code: "USER_ERROR", message: "so" });
      const much = agent.register(
        { runtime: "javascript", container },
        'export default (n) => { console.log("of-stdout"); return "x".repeat(n); };',
      );
      const { value, stdoutText: stdout } = await agent.call(much, [3_000_000]);
      expect([(value as string).length, stdout]).toEqual([3_000_000, "of-stdout\n"]);
      const endless = agent.register({ runtime: "javascript", container }, "export default () => { for (;;); };");
      expect((await agent.call(endless, [], { timeoutMs: 2_000 })).failure).toMatchObject({ code: "TIMEOUT" });
    });

    it("keeps what a Python function prints, its large results and arguments, and what it says of its end", async () => {
      const much = python("def f(x, n):\n    print('of-stdout')\n    return [len(x), 'y' * n]\n");
      for (const size of [10, 300_000, 3_000_000]) {
        const { value, stdoutText: stdout } = await agent.call(much, ["x".repeat(size), size]);
        const [length, text] = value as [number, string];
        expect([length, text.length, stdout]).toEqual([size, size, "of-stdout\n"]);
      }
      const exits = python("import os\ndef f():\n    os._exit(3)\n");
      expect((await agent.call(exits, [])).failure).toMatchObject({ code: "EXITED", exitCode: 3 });
      const starts = python("import os, subprocess\ndef f():\n    subprocess.run(['true'])\n    return os.getpid()\n");
      const pids = [await agent.call(starts, []), await agent.call(starts, [])].map(({ value }) => value);
      expect(pids[1]).toBe(pids[0]);
    });

    it("runs several Python functions at once", async () => {
      const meet = python(
        "import os, time\ndef f(d, n):\n    open(os.path.join(d, str(n)), 'w').close()\n    while len(os.listdir(d)) < 4:\n        time.sleep(0.05)\n    return n\n",
      );
      const d = join(shared, `functions-${type}`);
      mkdirSync(d);
      const calls = [0, 1, 2, 3].map((n) => agent.call(meet, [d, n], { timeoutMs: 30_000 }));
      expect((await Promise.all(calls)).map(({ value }) => value)).toEqual([0, 1, 2, 3]);
    });

    it("ends a function that is cancelled, with all that it has started", async () => {
      const source =
        "import signal, subprocess, time\ndef f(file, word):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    subprocess.Popen(['sh', '-c', 'sleep 320; :', word])\n    open(file, 'w').close()\n    time.sleep(320)\n";
      const [name, word] = [`cancelled-function-${type}`, `cancelled-child-${type}`];
      const [id] = agent.submit(python(source), [[join(shared, name), word]]) as [string];
      await waitFor(() => readdirSync(shared).includes(name), { what: "its start" });
      expect(running(word)).toBe(true);
      agent.send({ kind: "cancel", leases: [[id, 1]] });
      expect((await agent.result(id)).failure).toMatchObject({ code: "CANCELLED" });
      await waitFor(() => !running(word), { what: "the end of its processes" });
    });

    it("says of a function's image that is not there what the runtime says, and goes on", async () => {
      const image = runtime === "apptainer" ? "/nowhere/missing.sif" : "localhost/farcall-missing:1";
      const source = "def f():\n    return 1\n";
      const gone = agent.register({ runtime: "python", entry: "f", container: { ...container, image } }, source);
      const { failure } = await agent.call(gone, []);
      expect(failure?.code).toBe("LOAD_ERROR");
      expect(failure?.message).toMatch(
        /no python worker can be started: no container of .*(no such|cannot|error|unable|refused)/is,
      );
      expect((await agent.call(python(source), [])).value).toBe(1);
    });

    it.runIf(runs("python"))("ends a worker whose function overruns its time; the next call gets another", async () => {
      const source =
        "import time, signal\ndef f(s):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(s)\n    return s\n";
      const f = agent.register({ runtime: "python", entry: "f", container }, source);
      expect((await agent.call(f, [319], { timeoutMs: 2_000 })).failure).toMatchObject({ code: "TIMEOUT" });
      expect((await agent.call(f, [0])).value).toBe(0);
    });
  });
});
