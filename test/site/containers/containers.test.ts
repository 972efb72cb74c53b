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

    const runs = (language: string) => runtime !== "docker" && !(type === "python" && language === "javascript");
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
