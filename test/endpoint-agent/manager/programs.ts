/** The functions of tests that hold for both managers, in the language that each of them runs. */
import type { ManagerType } from "../../support/managers.ts";
import type { TestAgent } from "./test-agent.ts";

const JAVASCRIPT = {
  one: "export default () => 1;",
  /** (ms) => ms */
  sleep: "export default (ms) => new Promise((r) => setTimeout(r, ms, ms));",
  /** (ms) => ms, without letting go of the processor */
  busy: "export default (ms) => { const end = Date.now() + ms; while (Date.now() < end); return ms; };",
  /** (file, ms) => 1, and an x more in the file at the start */
  note: `import { appendFileSync } from "node:fs";
    export default async (file, ms = 0) => { appendFileSync(file, "x"); await new Promise((r) => setTimeout(r, ms)); return 1; };`,
  /** (file, ms) => 1, and an x more in the file at the end */
  noteEnd: `import { appendFileSync } from "node:fs";
    export default async (file, ms = 0) => { await new Promise((r) => setTimeout(r, ms)); appendFileSync(file, "x"); return 1; };`,
  /** (file): notes an x, ignores SIGTERM, and never ends */
  stubbornNote: `import { appendFileSync } from "node:fs";
    export default (file) => { process.on("SIGTERM", () => {}); appendFileSync(file, "x"); for (;;); };`,
  /** (file): writes its pid there, ignores SIGTERM, and does not end */
  stubborn: `import { writeFileSync } from "node:fs";
    export default async (file) => { process.on("SIGTERM", () => {}); writeFileSync(file, String(process.pid)); await new Promise((r) => setTimeout(r, 600_000)); };`,
  /** (file): writes its pid there, and does not end */
  endless: `import { writeFileSync } from "node:fs";
    export default async (file) => { writeFileSync(file, String(process.pid)); await new Promise((r) => setTimeout(r, 600_000)); };`,
  /** (file): writes its pid there, and never ends */
  spin: `import { writeFileSync } from "node:fs"; export default (file) => { writeFileSync(file, String(process.pid)); for (;;); };`,
  /** (file): writes the pid of a child that does not end, and never ends */
  parent: `import { spawn } from "node:child_process"; import { writeFileSync } from "node:fs";
    export default (file) => { writeFileSync(file, String(spawn("sleep", ["1000"]).pid)); for (;;); };`,
  /** (file, n) => n; the first 40 takes its worker with it */
  killAt40: `import { writeFileSync, existsSync } from "node:fs";
    export default (file, n) => { if (n === 40 && !existsSync(file)) { writeFileSync(file, ""); process.kill(process.pid, "SIGKILL"); } return n; };`,
  /** (file): adds its pid as a line there, and does not end */
  pidThenSleep: `import { appendFileSync } from "node:fs";
    export default async (file) => { appendFileSync(file, process.pid + "\\n"); await new Promise((r) => setTimeout(r, 600_000)); };`,
  /** sends itself SIGTERM */
  suicide:
    "export default () => { process.kill(process.pid, 'SIGTERM'); return new Promise(() => setTimeout(() => {}, 60_000)); };",
  /** (x) => x; the thirtieth takes the permits of the tasks behind it, and goes on running */
  thief: `import fs from "node:fs";
    export default async (x) => {
      if (x !== 30) return x;
      try { fs.readSync(5, Buffer.alloc(4096)); } catch {}
      await new Promise((r) => setTimeout(r, 600_000));
    };`,
  poison: "export default () => process.kill(process.pid, 'SIGKILL');",
  /** (x) => x */
  same: "export default (x) => x;",
  pid: "export default () => process.pid;",
  /** () => 500,000 bytes, after 250 ms */
  largeLater:
    "export default async () => { await new Promise((r) => setTimeout(r, 250)); return new Uint8Array(500_000); };",
  /** (n) => n bytes of 7 */
  bytes: "export default (n) => new Uint8Array(n).fill(7);",
  /** (data, n) => the sum of all */
  sum: "export default (data, n) => data.reduce((a, b) => a + b, n);",
  /** writes `first`, and `second` 300 ms later */
  twoLines:
    "export default async () => { console.log('first'); await new Promise((r) => setTimeout(r, 300)); console.log('second'); await new Promise((r) => setTimeout(r, 100)); };",
  /** (megabytes) => megabytes, and so many to stdout, and `the end` */
  flood: `import { writeSync } from "node:fs";
    export default (megabytes) => {
      const block = new Uint8Array(1 << 20).fill(27);
      for (let i = 0; i < megabytes; i++) for (let at = 0; at < block.length; ) at += writeSync(1, block, at);
      writeSync(1, "the end");
      return megabytes;
    };`,
  /** (size): writes so many bytes at once, and `end` */
  largeWrite: "export default (size) => { process.stdout.write('x'.repeat(size)); process.stdout.write('end'); };",
  /** starts a daemon, and never ends */
  daemonParent:
    "import { spawn } from 'node:child_process'; export default () => { spawn('sleep', ['1000'], { detached: true }); for (;;); };",
} as const;

const PYTHON: Record<keyof typeof JAVASCRIPT, string> = {
  one: "def f():\n    return 1\n",
  sleep: "import time\ndef f(ms):\n    time.sleep(ms / 1000)\n    return ms\n",
  busy: "import time\ndef f(ms):\n    end = time.time() + ms / 1000\n    while time.time() < end:\n        pass\n    return ms\n",
  note: "import time\ndef f(file, ms=0):\n    with open(file, 'a') as out:\n        out.write('x')\n    time.sleep(ms / 1000)\n    return 1\n",
  noteEnd:
    "import time\ndef f(file, ms=0):\n    time.sleep(ms / 1000)\n    with open(file, 'a') as out:\n        out.write('x')\n    return 1\n",
  stubbornNote:
    "import signal\ndef f(file):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    with open(file, 'a') as out:\n        out.write('x')\n    while True:\n        pass\n",
  stubborn:
    "import os, signal, time\ndef f(file):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    with open(file, 'w') as out:\n        out.write(str(os.getpid()))\n    time.sleep(600)\n",
  endless:
    "import os, time\ndef f(file):\n    with open(file, 'w') as out:\n        out.write(str(os.getpid()))\n    time.sleep(600)\n",
  spin: "import os\ndef f(file):\n    with open(file, 'w') as out:\n        out.write(str(os.getpid()))\n    while True:\n        pass\n",
  parent:
    "import subprocess\ndef f(file):\n    with open(file, 'w') as out:\n        out.write(str(subprocess.Popen(['sleep', '1000']).pid))\n    while True:\n        pass\n",
  killAt40:
    "import os\ndef f(file, n):\n    if n == 40 and not os.path.exists(file):\n        open(file, 'w').close()\n        os.kill(os.getpid(), 9)\n    return n\n",
  pidThenSleep:
    "import os, time\ndef f(file):\n    with open(file, 'a') as out:\n        out.write('%d\\n' % os.getpid())\n    time.sleep(600)\n",
  suicide: "import os, time\ndef f():\n    os.kill(os.getpid(), 15)\n    time.sleep(60)\n",
  thief: `import os, sys, time
def f(x):
    if x != 30:
        return x
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get('self'), 'permits'):
        frame = frame.f_back
    try:
        os.read(frame.f_locals['self'].permits, 4096)
    except BlockingIOError:
        pass
    time.sleep(600)
`,
  poison: "import os\ndef f():\n    os.kill(os.getpid(), 9)\n",
  same: "def f(x):\n    return x\n",
  pid: "import os\ndef f():\n    return os.getpid()\n",
  largeLater: "import time\ndef f():\n    time.sleep(0.25)\n    return bytes(500000)\n",
  bytes: "def f(n):\n    return b'\\x07' * n\n",
  sum: "def f(data, n):\n    return sum(data) + n\n",
  twoLines:
    "import time\ndef f():\n    print('first')\n    time.sleep(0.3)\n    print('second', flush=True)\n    time.sleep(0.1)\n",
  flood:
    "import os\ndef f(megabytes):\n    block = b'\\x1b' * (1 << 20)\n    for _ in range(megabytes):\n        at = 0\n        while at < len(block):\n            at += os.write(1, memoryview(block)[at:])\n    os.write(1, b'the end')\n    print(end='', flush=True)\n    import subprocess\n    subprocess.call('true')\n    return megabytes\n",
  largeWrite: "import sys\ndef f(size):\n    sys.stdout.write('x' * size)\n    sys.stdout.write('end')\n",
  daemonParent:
    "import subprocess\ndef f():\n    subprocess.Popen(['sleep', '1000'], start_new_session=True)\n    while True:\n        pass\n",
};

export type ProgramName = keyof typeof JAVASCRIPT;

/** Registers a function in the language of the manager; returns its id. */
export function registerProgram(agent: TestAgent, type: ManagerType, name: ProgramName): string {
  if (type === "node") return agent.register({ runtime: "javascript" }, JAVASCRIPT[name]);
  return agent.register({ runtime: "python", entry: "f" }, PYTHON[name]);
}
