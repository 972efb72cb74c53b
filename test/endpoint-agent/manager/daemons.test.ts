/** Processes that leave their session, clear their environment and lose their parents (FAULTS.md W6). */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cgroupMembers, createPlainCgroup } from "../../../endpoint-agent/manager/cgroup.ts";
import { cgroupName, findByWorker } from "../../../endpoint-agent/manager/leftovers.ts";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive, nonceOf } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

const probe = createPlainCgroup(`farcall-probe-${process.pid}`);
probe?.remove();

/** Ends when the process that it leaves behind has said who it is. */
const HIDE = `import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        say = 'echo $$ > "$1.new"; mv "$1.new" "$1"; exec sleep 1000'
        os.execve('/bin/sh', ['sh', '-c', say, 'sh', sys.argv[1]], {'PATH': os.environ['PATH']})
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
`;
const HIDERS = [
  [
    "javascript",
    "default",
    "import { execFileSync } from 'node:child_process'; export default ({ script, file }) => { execFileSync('python3', [script, file]); };",
  ],
  [
    "python",
    "f",
    "import subprocess\ndef f(x):\n    subprocess.run(['python3', x['script'], x['file']], check=True)\n",
  ],
  ["command", "default", "python3 {script} {file}"],
] as const satisfies readonly (readonly ["javascript" | "python" | "command", string, string])[];

describe.runIf(probe).each(MANAGERS)("where a cgroup can be made (manager: %s)", (type) => {
  let agent: TestAgent;
  let script: string;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
    script = join(agent.dir, "hide.py");
    writeFileSync(script, HIDE);
  });
  afterAll(() => agent.stop());
  const hidden = async (
    [kind, entry, code]: readonly ["javascript" | "python" | "command", string, string],
    name: string,
  ) => {
    const file = join(agent.dir, name);
    const fn = agent.register({ runtime: kind, entry }, code);
    const ended = await agent.call(fn, [{ script, file }]);
    expect(ended.outcome).toBe("succeeded");
    return { pid: Number(readFileSync(file, "utf8")), worker: ended.worker };
  };

  it.each(type === "node" ? HIDERS : HIDERS.slice(1))(
    "W6: a daemon that hides is killed when the %s task that left it ends",
    async (...runtime) => {
      const { pid, worker } = await hidden(runtime, runtime[0]);
      await agent.until(() => !isAlive(pid), "the daemon's end");
      if (runtime[0] === "command") return;
      // The worker goes on, with a task that leaves nothing.
      const good = agent.register(
        { runtime: runtime[0], entry: "g" },
        runtime[0] === "python" ? "def g():\n    return 1\n" : "export const g = () => 1;",
      );
      expect(await agent.call(good, [])).toMatchObject({ value: 1, worker });
    },
  );

  it("W6: nothing of it is left when the manager has ended, no cgroup either", async () => {
    const own = await startTestAgent({ type });
    const name = cgroupName(`${nonceOf(own.frames)}/`);
    const fn = registerProgram(own, type, "busy");
    own.submit(fn, [[600_000]]);
    await own.until(() => own.starts.length === 1, "its start");
    expect(cgroupMembers(name).length).toBeGreaterThan(0);
    // The watchdog cleans up after this.
    own.manager.kill("SIGKILL");
    const anyGroup = () => {
      try {
        return readdirSync("/sys/fs/cgroup", { recursive: true }).some((path) => String(path).includes(name));
      } catch {
        // Another manager's went while it was looked at.
        return true;
      }
    };
    await agent.until(() => !anyGroup(), "the end of its cgroups");
    await own.stop();
  });
});

describe("where none can be made", () => {
  it("W6: what descends from a worker that goes on is found without a variable", () => {
    const found = findByWorker(["no-such-nonce/"], process.ppid).map(({ pid }) => pid);
    expect(found).toContain(process.pid);
    expect(found).not.toContain(process.ppid);
    expect(findByWorker(["no-such-nonce/"])).toEqual([]);
  });
});
