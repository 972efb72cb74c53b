/** What one task leaves in a warm worker, and what the next one of the same owner finds. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS, type ManagerType } from "../../support/managers.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

let agent: TestAgent;
const startBefore = (type: ManagerType) => {
  beforeAll(async () => {
    agent = await startTestAgent({ type, workersPerNode: 1 });
  });
  afterAll(() => agent.stop());
};
const js = (text: string) => agent.register({ runtime: "javascript" }, text);
const py = (text: string) => agent.register({ runtime: "python", entry: "f" }, text);

/** Runs both, which must be in one worker; gives what the second one found. */
async function seenAfter(spoil: string, look: string): Promise<unknown> {
  const spoilt = await agent.call(spoil, []);
  expect(spoilt).toMatchObject({ outcome: "succeeded" });
  const seen = await agent.call(look, []);
  expect(seen).toMatchObject({ outcome: "succeeded", worker: spoilt.worker });
  return seen.value;
}

describe("warm reuse: after a JavaScript task", () => {
  startBefore("node");

  it("globals, the umask and listeners of the process are what they were", async () => {
    const spoil = js(`export default () => {
      globalThis.secret = "canary"; globalThis.structuredClone = () => "mine"; process.umask(0o77);
      process.on("SIGUSR2", () => {}); process.once("exit", () => {}); process.on("warning", () => {});
      process.removeAllListeners("uncaughtException"); process.setUncaughtExceptionCaptureCallback?.(() => {});
    };`);
    const look = js(`export default () => [
      globalThis.secret ?? null, structuredClone([1]), process.umask(), process.listenerCount("SIGUSR2"),
      process.listenerCount("exit"), process.listenerCount("uncaughtException"), process.hasUncaughtExceptionCaptureCallback(),
    ];`);
    const fresh = (await agent.call(look, [])).value;
    expect(await seenAfter(spoil, look)).toEqual(fresh);
    expect(fresh).toEqual([null, [1], expect.any(Number), 0, expect.any(Number), 1, false]);
  });

  it("timers that it left do not run in the next one's time", async () => {
    const spoil = js(`import { setInterval as other } from "node:timers";
      export default () => {
        let n = 0;
        for (const start of [setInterval, other]) start(() => console.log("still here"), 1);
        setTimeout(() => { throw new Error("late"); }, 20);
        setImmediate(() => console.log("still here"));
      };`);
    const look = js("export default async () => { await new Promise((r) => setTimeout(r, 60)); return 'quiet'; };");
    const [spoilt, looked] = agent.submit(spoil, [[]]).concat(agent.submit(look, [[]])) as [string, string];
    expect(await agent.result(spoilt)).toMatchObject({ outcome: "succeeded" });
    expect(await agent.result(looked)).toMatchObject({ value: "quiet", stdoutText: "" });
  });

  it("what it goes on doing and nobody waits for costs the next one nothing, though it fails", async () => {
    const spoil = js(`import { setTimeout as sleep } from "node:timers/promises";
      export default () => { sleep(20).then(() => { throw new Error("late"); }); };`);
    const look = js("export default async () => { await new Promise((r) => setTimeout(r, 60)); return 'well'; };");
    expect(await seenAfter(spoil, look)).toBe("well");
  });

  it("what its module made while it was loaded is still there", async () => {
    const keeps = js(`let ticks = 0; setInterval(() => ticks++, 1); globalThis.warm = { loads: 1 };
      process.on("SIGUSR1", () => {});
      export default async (wait) => {
        const before = ticks; await new Promise((r) => setTimeout(r, wait));
        return [ticks > before, globalThis.warm.loads++, process.listenerCount("SIGUSR1")];
      };`);
    expect((await agent.call(keeps, [20])).value).toEqual([true, 1, 1]);
    expect((await agent.call(keeps, [20])).value).toEqual([true, 2, 1]);
  });

  it("util.promisify of a timer, and clearing one by its number, are as anywhere", async () => {
    const fn = js(`import { promisify } from "node:util";
      export default async () => {
        const id = Number(setTimeout(() => { throw new Error("not cleared"); }, 5)); clearTimeout(id);
        return [await promisify(setTimeout)(20, "value"), await promisify(setImmediate)("now")];
      };`);
    expect((await agent.call(fn, [])).value).toEqual(["value", "now"]);
  });
});

describe.each(MANAGERS)("warm reuse: after a Python task (manager: %s)", (type) => {
  startBefore(type);

  it("signal handlers, timers, the umask, sys.path and limits are what they were", async () => {
    const spoil = py(`import os, signal, sys
def f():
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    os.umask(0o77)
    sys.path.insert(0, '/canary')
    sys.setrecursionlimit(50000)
    sys.settrace(lambda *_: None)
`);
    const look = py(`import os, signal, sys, time
def f():
    time.sleep(0.06)
    mask = os.umask(0o22)
    os.umask(mask)
    return [str(signal.getsignal(signal.SIGUSR1)), str(signal.getsignal(signal.SIGTERM)),
        len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), signal.getitimer(signal.ITIMER_REAL)[0], mask, '/canary' in sys.path,
        sys.getrecursionlimit(), sys.gettrace() is None]
`);
    const fresh = (await agent.call(look, [])).value as unknown[];
    expect(await seenAfter(spoil, look)).toEqual(fresh);
    expect([fresh[2], fresh[3], fresh[5], fresh[7]]).toEqual([0, 0, false, true]);
  });

  it("a handler that it set through a name of its own is gone as well", async () => {
    const spoil = py(
      "from signal import signal, SIGUSR1, SIG_IGN\ndef f():\n    signal(SIGUSR1, SIG_IGN)\n    raise SystemExit(0)\n",
    );
    const look = py("import signal\ndef f():\n    return signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL\n");
    const spoilt = await agent.call(spoil, []);
    const seen = await agent.call(look, []);
    expect([spoilt.failure?.code, seen.worker]).toEqual(["EXITED", spoilt.worker]);
    expect(seen.value).toBe(true);
  });
});

describe.each(MANAGERS)("warm reuse: another owner's task (manager: %s)", (type) => {
  startBefore(type);

  it("finds nothing of the canary that the one before it had everywhere, not even in its memory", async () => {
    const plant = py(`import builtins, os, sys
kept = []
def f(canary):
    kept.append(canary)
    os.environ['CANARY'] = builtins.canary = sys.canary = canary
    for place in (os.getcwd(), os.environ['TMPDIR']):
        with open(os.path.join(place, 'left'), 'w') as out:
            out.write(canary)
    print(canary)
    return len(kept)
`);
    // The canary comes in two halves, so that the search does not find itself.
    const search = py(`import os
def f(first, second):
    needle, found = (first + second).encode(), []
    del second
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
        for line in maps:
            place, mode = line.split()[:2]
            start, end = (int(x, 16) for x in place.split('-'))
            if 'rw' not in mode or line.rstrip().endswith(']') and '[heap]' not in line:
                continue
            memory.seek(start)
            found += [line] * memory.read(end - start).count(needle)
    names = [name for place in ('.', os.environ['TMPDIR']) for name in os.listdir(place)]
    return [len(found), names, 'CANARY' in os.environ]
`);
    const look = (...halves: string[]) => agent.call(search, halves, { owner: "bob" });
    // His own needle is in his memory; what a canary that nobody planted gives is what he finds by himself.
    const nothing = (await look("canary-x-", "of-ann")).value;
    const seen = new Set<string>();
    const workers = { ann: new Set<unknown>(), bob: new Set<unknown>() };
    for (let i = 0; i < 20; i++) {
      const half = `canary-${i}-`;
      const planted = await agent.call(plant, [`${half}of-ann`], { owner: "ann" });
      expect(planted.outcome).toBe("succeeded");
      workers.ann.add(planted.worker);
      const { value, worker } = await look(half, "of-ann");
      workers.bob.add(worker);
      seen.add(JSON.stringify(value));
    }
    expect([...seen]).toEqual([JSON.stringify(nothing)]);
    expect(nothing).toEqual([expect.any(Number), [], false]);
    expect([...workers.ann].filter((worker) => workers.bob.has(worker))).toEqual([]);
    expect(workers.bob.size).toBe(1);
  });
});
