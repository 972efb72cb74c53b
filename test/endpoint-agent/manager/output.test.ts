// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the functions' own
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMarkedStream } from "../../../endpoint-agent/manager/marked-stream.ts";
import { createCapture, lastBytes, type OutputTail, outputText } from "../../../endpoint-agent/manager/output.ts";
import { MANAGERS } from "../../support/managers.ts";
import { registerProgram } from "./programs.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe("a capture", () => {
  it("W7: keeps head and tail of a stream, wherever it is cut, and counts the rest", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 })),
        fc.nat(40),
        fc.nat(40),
        (chunks, headBytes, tailBytes) => {
          const capture = createCapture({ headBytes, tailBytes });
          for (const chunk of chunks) capture.push(chunk);
          const all = Buffer.concat(chunks);
          const { total, head, tail } = capture.take();
          const rest = all.subarray(headBytes);
          expect(total).toBe(all.length);
          expect(Buffer.from(head)).toEqual(Buffer.from(all.subarray(0, headBytes)));
          expect(Buffer.from(tail)).toEqual(Buffer.from(rest.subarray(Math.max(0, rest.length - tailBytes))));
          expect(capture.take().total).toBe(0);
        },
      ),
    );
  });

  it("gives its last bytes, and as text says what is missing", () => {
    const capture = createCapture({ headBytes: 4, tailBytes: 4 });
    capture.push(Buffer.from("abcdef"));
    expect(Buffer.from(lastBytes(capture.peek(), 5)).toString()).toBe("bcdef");
    expect(outputText(capture.peek())).toBe("abcdef");
    capture.push(Buffer.from("ghijkl"));
    expect(Buffer.from(lastBytes(capture.peek(), 100)).toString()).toBe("ijkl");
    expect(outputText(capture.take())).toBe("abcd\n[… 4 bytes left out …]\nijkl");
  });
});

describe("a worker's output stream", () => {
  it("is cut at the marks, wherever the chunks end", () => {
    const mark = "\u0000mark:";
    const piece = fc.string({ unit: fc.constantFrom("a", "\u0000", "m", "mark:", "\n"), maxLength: 8 });
    const pieces = fc.array(piece.filter((text) => !text.includes(mark)));
    fc.assert(
      fc.property(pieces, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (outputs, sizes) => {
        const bytes = Buffer.from(
          outputs.map((text, n) => `${text}${mark}${n.toString(16).padStart(8, "0")}\n`).join(""),
        );
        const got: string[] = [];
        const stream = createMarkedStream(mark, { headBytes: 100, tailBytes: 100 }, () => {});
        const note = (n: number) => (output: OutputTail) => {
          got[n] = outputText(output);
        };
        // Half of the results come before their output, half after it.
        outputs.forEach((_, n) => {
          if (n % 2 === 0) stream.until(n, 60_000, note(n));
        });
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value as number;
          stream.push(bytes.subarray(at, at + size));
          at += size;
        }
        outputs.forEach((_, n) => {
          if (n % 2 === 1) stream.until(n, 60_000, note(n));
        });
        expect(got).toEqual(outputs);
        stream.end();
      }),
    );
  });
});

describe.each(MANAGERS)("a manager (%s) with tasks that write", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await startTestAgent({ type });
  });
  afterAll(() => agent.stop());
  const js = (text: string) => agent.register({ runtime: "javascript" }, text);
  const py = (text: string) => agent.register({ runtime: "python", entry: "f" }, text);

  const writers: [string, typeof js, string][] = [
    ["console.log in JavaScript", js, "export default (i) => { console.log('out', i); console.error('err', i); };"],
    [
      "fs.writeSync in JavaScript",
      js,
      "import fs, { writeSync } from 'node:fs'; export default (i) => { writeSync(1, `out ${i}\\n`); fs.writeSync(2, `err ${i}\\n`); };",
    ],
    [
      "a child of JavaScript",
      js,
      "import { execSync } from 'node:child_process'; export default (i) => { execSync(`echo out ${i}; echo err ${i} >&2`, { stdio: 'inherit' }); };",
    ],
    ["print in Python", py, "import sys\ndef f(i):\n    print('out', i)\n    print('err', i, file=sys.stderr)\n"],
    [
      "a child of Python",
      py,
      "import subprocess\ndef f(i):\n    subprocess.check_call('echo out %d; echo err %d >&2' % (i, i), shell=True)\n",
    ],
    [
      "replaced streams in Python",
      py,
      "import sys, io\ndef f(i):\n    print('out', i)\n    print('err', i, file=sys.stderr)\n    sys.stdout = io.StringIO()\n    print('lost')\n",
    ],
  ];
  const here = writers.filter(([, register]) => type === "node" || register === py);
  it.each(here)("attributes the output of %s to its task", async (_, register, text) => {
    const fn = register(text);
    await agent.call(fn, [-1]);
    const ids = agent.submit(
      fn,
      Array.from({ length: 20 }, (_, i) => [i]),
    );
    for (const [i, id] of ids.entries()) {
      const { stdoutText, stderrText } = await agent.result(id);
      expect([stdoutText, stderrText]).toEqual([`out ${i}\n`, `err ${i}\n`]);
    }
  });

  it("sends nothing for tasks that write nothing", async () => {
    const { stdoutTotal, stderrTotal } = await agent.call(registerProgram(agent, type, "one"), []);
    expect([stdoutTotal, stderrTotal]).toEqual([undefined, undefined]);
  });

  it("W7: loses nothing of one large write", async () => {
    const fn = registerProgram(agent, type, "largeWrite");
    const { stdoutTotal, stdoutText } = await agent.call(fn, [5_000_000]);
    expect([stdoutTotal, stdoutText.slice(-4)]).toEqual([5_000_003, "xend"]);
  });

  it("W7: bears any amount of output in bounded memory, and the task is unharmed", async () => {
    const fn = registerProgram(agent, type, "flood");
    await agent.call(fn, [8]);
    const rss = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.manager.pid}/status`, "utf8"))?.[1]) / 1024;
    const before = rss();
    const { outcome, value, stdoutText, stdoutTotal } = await agent.call(fn, [1024]);
    expect([outcome, value]).toEqual(["succeeded", 1024]);
    expect(stdoutTotal).toBe(1024 * 1048576 + 7);
    expect(stdoutText).toHaveLength(16 * 1024);
    expect(stdoutText.endsWith("\u001bthe end")).toBe(true);
    expect(rss() - before).toBeLessThan(64);
  });

  it("streams the output of a watched task while it runs, from its beginning", async () => {
    const fn = registerProgram(agent, type, "twoLines");
    const [id] = agent.submit(fn, [[]]) as [string];
    await agent.until(() => agent.starts.some((start) => start.id === id), "its start");
    agent.send({ kind: "watch", task: id, watch: true });
    const chunks = () =>
      agent.frames.flatMap(({ header, body }) =>
        header.kind === "log" && header.task === id && header.stream === "stdout"
          ? [{ ...header, text: Buffer.from(body).toString() }]
          : [],
      );
    await agent.until(() => chunks().some(({ end }) => end), "the end of its log");
    expect(chunks().map(({ offset, text, end }) => [offset, text, end ?? false])).toEqual([
      [0, "first\n", false],
      [6, "second\n", false],
      [13, "", true],
    ]);
  });
});
