/** Results above the inline limit on their way up, where something is in that way. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createBlobsOut, type SentBlob } from "../../../endpoint-agent/manager/blobs-out.ts";
import { MANAGERS } from "../../support/managers.ts";
import { inPython } from "./in-python.ts";
import { registerProgram } from "./programs.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

describe.each(MANAGERS)("a large result (manager: %s)", (type) => {
  let agent: TestAgent;
  afterEach(() => agent.stop());
  const chunks = () => agent.frames.filter(({ header }) => header.kind === "blob-chunk" && header.offset === 0).length;

  it("is sent once more when the agent could not keep it now", async () => {
    const full = { error: "no space left", again: true as const };
    agent = await startTestAgent({ type, blobAnswers: [full, full] });
    const { outcome, value } = await agent.call(registerProgram(agent, type, "bytes"), [400_000]);
    expect([outcome, (value as Uint8Array).length]).toEqual(["succeeded", 400_000]);
    expect(chunks()).toBe(3);
  });

  it("that the agent refuses fails, and the one behind it is sent", async () => {
    agent = await startTestAgent({ type, blobAnswers: [{ error: "the store is full" }] });
    const fn = registerProgram(agent, type, "bytes");
    const [first, second] = agent.submit(fn, [[400_000], [500_000]]) as [string, string];
    const ends = [await agent.result(first), await agent.result(second)];
    expect(ends.map(({ outcome }) => outcome).sort()).toEqual(["failed", "succeeded"]);
    expect(ends.find(({ outcome }) => outcome === "failed")?.failure).toEqual({
      code: "UNAVAILABLE",
      message: "its result could not be stored: the store is full",
    });
    expect(chunks()).toBe(2);
  });
});

describe("a large result whose file is cut short while it is sent", () => {
  const said = { error: "it was cut short while it was sent" };

  it("fails in Node.js, and keeps none waiting", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-uploads-"));
    const files = ["a", "b"].map((name) => join(dir, name)) as [string, string];
    for (const file of files) writeFileSync(file, new Uint8Array(3 << 20));
    let sent = 0;
    const uploads = createBlobsOut({
      send: (frame) => {
        if (frame.kind !== "blob-chunk") return;
        if (++sent === 1) truncateSync(files[0], 1000);
        if (frame.end) uploads.taken({ kind: "taken-blob", blob: frame.blob, task: frame.task, lease: frame.lease });
      },
      backlog: () => 0,
    });
    const ends = await Promise.all(
      files.map((file, i) => new Promise<SentBlob>((done) => uploads.send({ file, task: `t${i}`, lease: 1 }, done))),
    );
    expect(ends).toEqual([said, { blob: expect.any(String), size: 3 << 20 }]);
    rmSync(dir, { recursive: true });
  });

  it("fails in Python, and keeps none waiting", () => {
    const program = `
class Link:
    def __init__(self):
        self.sent = 0
    def backlog(self):
        return 0
    def send(self, head, chunks):
        self.sent += 1
        if self.sent == 1:
            os.truncate(files[0], 1000)
        if head["end"]:
            loop.call_soon(uploads.taken, head)
class Task:
    id, lease = "t", 1
loop = asyncio.new_event_loop()
with tempfile.TemporaryDirectory() as directory:
    files = [os.path.join(directory, name) for name in "ab"]
    for file in files:
        with open(file, "wb") as out:
            out.write(bytes(3 << 20))
    uploads = BlobsOut(loop, Link())
    done = lambda sent: (results.append(sent), uploads.pending() or loop.stop())
    for file in files:
        uploads.send(file, Task, done)
    loop.call_later(10, loop.stop)
    loop.run_forever()
`;
    const imports = "import asyncio, os, tempfile\nfrom farcall_manager.blobs_out import BlobsOut";
    expect(inPython(imports, program)).toEqual([said, { blob: expect.any(String), size: 3 << 20 }]);
  });
});
