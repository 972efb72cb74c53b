import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { isAlive, nonceOf, processesWith } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a manager (%s) with hostile tasks", (type) => {
  /** What only JavaScript can try: the manager in Python runs none. */
  const inNode = type === "node" ? it : it.skip;
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());
  const js = (text: string) => agent.register({ runtime: "javascript" }, text);
  const py = (text: string) => agent.register({ runtime: "python", entry: "f" }, text);
  const pidsIn = (file: string, count: number) =>
    agent.until(() => {
      if (!existsSync(file)) return false;
      const pids = readFileSync(file, "utf8").trim().split("\n").filter(Boolean).map(Number);
      return pids.length === count && pids;
    }, `${count} pids in ${file}`);

  const daemons: [string, typeof js, string][] = [
    [
      "JavaScript",
      js,
      `import { spawn } from "node:child_process"; import { appendFileSync } from "node:fs";
       export default (file) => { const c = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" }); c.unref(); appendFileSync(file, c.pid + "\\n"); };`,
    ],
    [
      "Python, with a double fork",
      py,
      `import os, time
def f(file):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(file, 'a') as out:
                out.write(str(os.getpid()) + '\\n')
            os.closerange(0, 3)
            time.sleep(1000)
        os._exit(0)
    os.wait()
    while not os.path.exists(file):
        time.sleep(0.01)
`,
    ],
  ];
  it.each(daemons.slice(type === "node" ? 0 : 1))(
    "W6: kills a daemon that %s left, and keeps the worker",
    async (name, register, text) => {
      const file = join(agent.dir, `daemon-${name.length}`);
      const { outcome, worker } = await agent.call(register(text), [file]);
      expect(outcome).toBe("succeeded");
      const [pid] = await pidsIn(file, 1);
      await agent.until(() => !isAlive(pid as number), "the daemon's end");
      const again = await agent.call(
        register === js ? js("export default () => 1;") : py("def f():\n    return 1\n"),
        [],
      );
      expect([again.value, again.worker]).toEqual([1, worker]);
    },
  );

  it("W6: kills what a command left running, also out of its session", async () => {
    const file = join(agent.dir, "command-daemon");
    const fn = agent.register({ runtime: "command" }, "setsid sh -c 'echo $$ >> {file}; exec sleep 1000' & sleep 0.2");
    expect((await agent.call(fn, [{ file }])).outcome).toBe("succeeded");
    const [pid] = await pidsIn(file, 1);
    await agent.until(() => !isAlive(pid as number), "the daemon's end");
  });

  inNode("W6: lets a task keep helpers that live as long as its worker", async () => {
    const text = `import { spawn } from "node:child_process"; let helper;
       export default () => { helper ??= spawn("sleep", ["1000"], { stdio: "ignore" }); return [helper.pid, helper.exitCode, helper.signalCode]; };`;
    const first = (await agent.call(js(text), [])).value as unknown[];
    for (let i = 0; i < 5; i++) expect((await agent.call(js(text), [])).value).toEqual([first[0], null, null]);
  });

  inNode.each([
    ["frames without the token", 'const h = Buffer.from(JSON.stringify({ n: 1, token: "guess", ms: 0 }));'],
    ["frames that are no object", 'const h = Buffer.from("null");'],
    ["garbage", 'const h = Buffer.from("{");'],
  ])("W10: %s on the results' descriptor are rejected, and are a strike", async (_, header) => {
    const fn = js(
      `import { writeSync } from "node:fs";
       export default async () => {
         ${header}
         const p = Buffer.alloc(8); p.writeUInt32BE(h.length, 0);
         for (let fd = 3; fd <= 10; fd++) try { writeSync(fd, Buffer.concat([p, h])); } catch {}
         await new Promise((r) => setTimeout(r, 60_000));
       };`,
    );
    const { outcome, started, failure } = await agent.call(fn, []);
    expect([outcome, started, failure?.code]).toEqual(["lost", true, "WORKER_LOST"]);
    expect(failure?.details).toEqual({ forged: true });
    expect((await agent.call(js("export default () => 'well';"), [])).value).toBe("well");
  });

  /** Python code that has learnt the token from the worker's memory, and says `result` about the task under way. */
  const insider = (result: string, body = "b''") =>
    py(`import json, os, struct, sys, time
def f():
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get('self'), 'setup'):
        frame = frame.f_back
    n = frame.f_locals['task']['n'] if 'task' in frame.f_locals else 1
    header = dict({'n': n, 'token': frame.f_locals['self'].setup['token'], 'ms': 0}, **${result})
    head, body = json.dumps(header).encode(), ${body}
    os.write(frame.f_locals['self'].results, struct.pack('>II', len(head), len(body)) + head + body)
    time.sleep(60)
`);

  it.each([
    ["answer for another task", "{'n': 4000}", "b''"],
    ["name an encoding that nobody knows", "{'encoding': 'xml'}", "b''"],
    ["send more than fits inline", "{}", "bytes(300000)"],
    ["say no time", "{'ms': None}", "b''"],
  ])("W10: a task cannot %s, even with the token", async (_, result, body) => {
    expect((await agent.call(insider(result, body), [])).failure).toMatchObject({
      code: "WORKER_LOST",
      details: { forged: true },
    });
  });

  it("W10: a task cannot claim an end that is the manager's to tell", async () => {
    const { outcome, failure } = await agent.call(insider("{'failure': {'code': 'CANCELLED', 'message': 'x'}}"), []);
    expect([outcome, failure?.code]).toEqual(["failed", "USER_ERROR"]);
  });

  const meddlers: [string, string][] = [
    ["reads the permits", "try { fs.readSync(5, Buffer.alloc(4096)); } catch {}"],
    ["reads half a permit", "try { fs.readSync(5, Buffer.alloc(2)); } catch {}"],
    [
      "writes permits of its own",
      'try { fs.writeFileSync("/proc/self/fd/5", Buffer.from([0, 0, 0, 200, 0, 0, 1, 44])); } catch {}',
    ],
    ["reads what tasks come by", "try { fs.readSync(3, Buffer.alloc(1 << 16)); } catch {}"],
    ["closes what tasks come by", "try { fs.closeSync(3); } catch {}"],
    ["closes the permits", "try { fs.closeSync(5); } catch {}"],
  ];
  inNode.each(meddlers)("W10: a task that %s stalls and breaks no other, in JavaScript", async (_, code) => {
    // Short, so that the worker is given many at a time; each waits a little, so that others wait behind it.
    const fn = js(
      `import fs from "node:fs";
       export default (x) => { if (x % 25 === 7) { const until = performance.now() + 2; while (performance.now() < until); ${code} } return x; };`,
    );
    const ids = agent.submit(
      fn,
      Array.from({ length: 200 }, (_, i) => [i]),
    );
    const ended = await Promise.all(ids.map((id) => agent.result(id)));
    for (const [i, { outcome, started, value, failure }] of ended.entries()) {
      // A hand-out that came to nothing says that it was not started; the gateway makes the next one.
      if (outcome === "returned") expect(started).toBeUndefined();
      else expect([i, failure, value]).toEqual([i, undefined, i]);
    }
    expect(ended.filter(({ outcome }) => outcome === "succeeded").length).toBeGreaterThan(150);
    expect((await agent.call(js("export default () => 'well';"), [])).value).toBe("well");
  });

  it("W10: a Python task that closes, reads and writes all low descriptors meets none that matters", async () => {
    const fn = py(`import os
def f(x):
    for fd in range(3, 100):
        try:
            os.set_blocking(fd, False)
            os.read(fd, 4096)
        except OSError:
            pass
        try:
            os.write(fd, b'garbage')
        except OSError:
            pass
    os.closerange(3, 100)
    return x
`);
    const ids = agent.submit(
      fn,
      Array.from({ length: 50 }, (_, i) => [i]),
    );
    for (const [i, id] of ids.entries()) expect((await agent.result(id)).value).toBe(i);
  });

  it("W10: a task that reports its own end and goes on keeps no other waiting for long", async () => {
    const liar = await agent.call(insider("{'failure': {'code': 'USER_ERROR', 'message': 'x'}}"), []);
    expect(liar.outcome).toBe("failed");
    const good = py("def f(x):\n    return x\n");
    for (let i = 0; i < 10; i++) {
      const { value, worker } = await agent.call(good, [i]);
      expect(value).toBe(i);
      expect(worker).not.toBe(liar.worker);
    }
  });

  it("W10: a task that takes the permits behind it and goes on running is ended, and they are not started", async () => {
    const fn = registerProgram(agent, type, "thief");
    for (let i = 0; i < 5; i++) await agent.call(fn, [0]);
    const ids = agent.submit(
      fn,
      Array.from({ length: 60 }, (_, i) => [i]),
    );
    for (const [i, id] of ids.entries()) {
      const { outcome, value, failure } = await agent.result(id);
      if (i === 30) expect([outcome, failure?.details]).toEqual(["lost", { forged: true }]);
      else expect([outcome, value]).toEqual(["succeeded", i]);
    }
  });

  it("W11: poison tasks cost their own workers, each a strike, and all others are done", async () => {
    const poison = registerProgram(agent, type, "poison");
    const good = registerProgram(agent, type, "same");
    const poisoned: string[] = [];
    const fine: string[] = [];
    for (let i = 0; i < 10; i++) {
      fine.push(
        ...agent.submit(
          good,
          Array.from({ length: 100 }, (_, n) => [i * 100 + n]),
        ),
      );
      poisoned.push(...agent.submit(poison, [[]]));
    }
    for (const id of poisoned) {
      expect(await agent.result(id)).toMatchObject({
        outcome: "lost",
        started: true,
        failure: { code: "WORKER_LOST" },
      });
    }
    for (const [i, id] of fine.entries()) expect((await agent.result(id)).value).toBe(i);
    // No worker was replaced but those that poison took, and each took one.
    const workersOf = (ids: string[]) => new Set(ids.map((id) => agent.results.get(`${id}.1`)?.worker));
    expect(workersOf(poisoned).size).toBe(10);
    expect(workersOf([...poisoned, ...fine]).size).toBeLessThanOrEqual(10 + 2);
  });

  it("keeps workers of different owners apart, and does not leak between them", async () => {
    const fn =
      type === "node"
        ? js(
            "globalThis.secret ??= undefined; export default (x) => { const seen = globalThis.secret; globalThis.secret = x; return [process.pid, seen ?? null]; };",
          )
        : py(
            "import os, sys\ndef f(x):\n    seen, sys.secret = getattr(sys, 'secret', None), x\n    return [os.getpid(), seen]\n",
          );
    const pids = new Map<string, Set<number>>();
    for (let i = 0; i < 6; i++) {
      for (const owner of ["ann", "bob", "cy"]) {
        const [pid, seen] = (await agent.call(fn, [owner], { owner })).value as [number, string | null];
        expect([owner, null]).toContain(seen);
        pids.set(owner, (pids.get(owner) ?? new Set()).add(pid));
      }
    }
    const [ann, bob, cy] = ["ann", "bob", "cy"].map((owner) => [...(pids.get(owner) as Set<number>)]) as [
      number[],
      number[],
      number[],
    ];
    expect(new Set([...ann, ...bob, ...cy]).size).toBe(ann.length + bob.length + cy.length);
  });

  it("I6: leaves no process and no file when it is stopped", async () => {
    const other = await startTestAgent({ type });
    const nonce = nonceOf(other.frames);
    const fn = registerProgram(other, type, "daemonParent");
    other.submit(fn, [[]]);
    await other.until(
      () => processesWith(`FARCALL_WORKER=${nonce}/`).length >= 2 && other.starts.length === 1,
      "processes",
    );
    other.send({ kind: "stop" });
    expect(await other.exited).toBe(0);
    await agent.until(() => processesWith(`FARCALL_WORKER=${nonce}/`).length === 0, "the end of all");
    expect(readdirSync(other.dir)).not.toContain("manager");
    await other.stop();
  });
});
