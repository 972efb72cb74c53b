/** What a Python task does to its process that would fail the next one: it is put right, or the process is replaced. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a Python worker (manager: %s) whose task", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type, workersPerNode: 1 });
  });
  afterAll(() => agent.stop());
  const py = (text: string) => agent.register({ runtime: "python", entry: "f" }, text);
  /** A function of its own each time, so that it has to be loaded. */
  const well = (name: string) => py(`import sys\ndef f():\n    print('well')\n    return ${JSON.stringify(name)}\n`);

  it.each([
    ["closes its output", "import os\ndef f():\n    os.close(1)\n    os.close(2)\n"],
    ["leads its output elsewhere", "import os\ndef f():\n    os.dup2(os.open('/dev/null', os.O_WRONLY), 1)\n"],
    ["replaces what the worker writes with", "import os\ndef f():\n    os.write = os.read = lambda *_: 0\n"],
    ["replaces what the worker reads with", "import json\ndef f():\n    json.loads = json.dumps = None\n"],
    ["stops the clock", "import time\ndef f():\n    time.perf_counter = lambda: 'noon'\n"],
  ])("%s serves the next one as well", async (name, text) => {
    const spoilt = await agent.call(py(text), []);
    expect(spoilt.outcome).toBe("succeeded");
    const next = await agent.call(well(name), []);
    expect([next.value, next.stdoutText, next.worker]).toEqual([name, "well\n", spoilt.worker]);
    const { worker } = await agent.call(py("import os\ndef f():\n    os._exit(0)\n"), []);
    expect(worker).toBe(spoilt.worker);
  });

  it.each([
    [
      "takes all descriptors away",
      "import resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n",
    ],
    ["removes its directory", "import os, shutil\ndef f():\n    shutil.rmtree(os.getcwd())\n"],
  ])("%s is replaced, and the next one was not started there", async (name, text) => {
    expect((await agent.call(py(text), [])).outcome).toBe("succeeded");
    const [id] = agent.submit(well(name), [[]]) as [string];
    expect(await agent.result(id)).toMatchObject({ outcome: "returned" });
    expect((await agent.call(well(name), [])).value).toBe(name);
  });

  it.each([
    ["a NUL character", "a\0b"],
    ["half of a surrogate pair", "a\ud800"],
  ])("has a variable with %s ends as LOAD_ERROR, and is not handed out again", async (name, value) => {
    const { outcome, failure } = await agent.call(well(name), [], { env: { A: value } });
    expect([outcome, failure?.code]).toEqual(["failed", "LOAD_ERROR"]);
    expect(failure?.message).toContain("its variables cannot be set");
    expect((await agent.call(well(`${name} again`), [])).outcome).toBe("succeeded");
  });

  it("W8: has a result that no file takes fails, and says why", async () => {
    const fn = py(
      "import resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n    return b'x' * 300000\n",
    );
    const { outcome, failure } = await agent.call(fn, []);
    expect([outcome, failure?.code]).toEqual(["failed", "RESULT_NOT_SERIALISABLE"]);
    expect(failure?.message).toContain("File too large");
  });
});
