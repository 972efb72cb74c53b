/** Frames and permits that user code makes up, with the token of its worker: nothing of it reaches the agent, and the manager lives on. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { isAlive } from "./support.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("W10: a manager (%s)", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());
  const py = (text: string) => agent.register({ runtime: "python", entry: "f" }, text);

  /** Says `members` of the task under way, as JSON text that `json.dumps` would not write; then stays. */
  const liar = (members: string) =>
    py(`import os, struct, sys, time
def f():
    frame = sys._getframe()
    while 'task' not in frame.f_locals:
        frame = frame.f_back
    worker = frame.f_locals['self']
    head = ('{"n":%d,"token":"%s",' % (frame.f_locals['task']['n'], worker.setup['token']) + ${members} + '}').encode('ascii')
    frame = struct.pack('>II', len(head), 0) + head
    while frame:
        frame = frame[os.write(worker.results, frame):]
    time.sleep(0.2)
    os._exit(0)
`);
  const well = async () => {
    expect((await agent.call(py("def f():\n    return 'well'\n"), [])).value).toBe("well");
    expect(isAlive(agent.manager.pid as number)).toBe(true);
  };

  it.each([
    ["an infinite time", `'"ms":Infinity'`],
    ["a time beyond all numbers", `'"ms":1e999'`],
    ["a time of 400 digits", `'"ms":1' + '0' * 400`],
    ["a time of 5000 digits", `'"ms":1' + '0' * 5000`],
    ["a time that is none", `'"ms":NaN'`],
    ["a truth value for a time", `'"ms":true'`],
  ])("takes %s for a forgery", async (_, members) => {
    const { outcome, failure } = await agent.call(liar(members), []);
    expect([outcome, failure?.code, failure?.details]).toEqual(["lost", "WORKER_LOST", { forged: true }]);
    await well();
  });

  it.each([
    ["detail of 30,000 levels", `'"x":' + '[' * 30000 + ']' * 30000`],
    ["detail of 200 levels", `'"x":' + '[' * 200 + ']' * 200`],
    ["detail of 300,000 characters", `'"x":"' + 'x' * 300000 + '"'`],
    ["infinite detail", `'"x":1e999'`],
    ["header of 150,000 levels", `'},"x":{"y":' + '[' * 150000 + ']' * 150000`],
  ])("passes no %s on", async (_, details) => {
    const members = `'"ms":1,"failure":{"code":"USER_ERROR","message":"m","details":{' + ${details} + '}}'`;
    const { outcome, failure } = await agent.call(liar(members), []);
    if (outcome === "failed")
      expect({ details: {}, ...failure }).toEqual({ code: "USER_ERROR", message: "m", details: {} });
    else expect([outcome, failure?.details]).toEqual(["lost", { forged: true }]);
    await well();
  });

  it.each([
    ["an exit code of 400 digits", `{"code":"EXITED","message":"m","exitCode":1' + '0' * 400 + '}`],
    ["an exit code that is a truth value", `{"code":"EXITED","message":"m","exitCode":true}`],
    ["no code", `{}`],
    ["a list", `[]`],
    ["text", `"x"`],
    ["a code that is a list", `{"code":["EXITED"],"message":"m"}`],
    ["a message that is none", `{"code":"EXITED","message":5}`],
  ])("reads no failure that has or is %s", async (_, failure) => {
    const end = await agent.call(liar(`'"ms":1,"failure":${failure}'`), []);
    expect([end.outcome, end.failure]).toEqual([
      "failed",
      { code: "USER_ERROR", message: "the worker's description of a failure could not be read" },
    ]);
    await well();
  });

  it("keeps no output for marks of tasks that it does not know", async () => {
    const fn = py(`import os, sys
def f():
    frame = sys._getframe()
    while 'task' not in frame.f_locals:
        frame = frame.f_back
    mark = frame.f_locals['self'].setup['mark'].encode()
    for n in range(1000, 3000):
        os.write(1, b'x' * 60000 + mark + b'%08x\\n' % n)
    print('the end')
    return 1
`);
    const rss = () => agent.memoryMb();
    const before = rss();
    for (let i = 0; i < 3; i++) expect((await agent.call(fn, [])).value).toBe(1);
    expect(rss() - before).toBeLessThan(100);
    await well();
  });

  it.each([
    ["other permits", "b'\\\\x00\\\\x00\\\\x10\\\\x00' * 16384"],
    ["garbage", "b'\\\\xff\\\\xfe\\\\xfd' * 21000"],
  ])("lives on when a task fills the pipe of permits with %s, and starts none twice", async (_, permits) => {
    const fn = py(`import os, sys
def f(x):
    if x == 30:
        frame = sys._getframe()
        while 'task' not in frame.f_locals:
            frame = frame.f_back
        fd = os.open('/proc/self/fd/%d' % frame.f_locals['self'].permits, os.O_WRONLY | os.O_NONBLOCK)
        try:
            while True:
                os.write(fd, eval("${permits}"))
        except BlockingIOError:
            pass
        os.close(fd)
    return x
`);
    await agent.call(fn, [0]);
    const ids = agent.submit(
      fn,
      Array.from({ length: 200 }, (_, i) => [i]),
    );
    let done = 0;
    for (const [i, id] of ids.entries()) {
      const { outcome, started, value } = await agent.result(id);
      if (outcome === "succeeded") {
        expect(value).toBe(i);
        done++;
      } else if (outcome === "returned") expect(started).toBeUndefined();
      else expect(outcome).toBe("lost");
    }
    expect(done).toBeGreaterThan(150);
    await well();
  });
});
