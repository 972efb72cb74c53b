import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { launchScript } from "../../../deploy/ssh/site/files.ts";
import { bootId, ownIdentity } from "../../../endpoint-agent/process-identity.ts";
import { processesUnder } from "../../support/processes.ts";
import { waitFor } from "../../support/wait-for.ts";

const SCRIPT = new URL("../../../deploy/ssh/site/site-agent.sh", import.meta.url).pathname;

describe("the shell that starts a crashed agent again", () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-launch-"));
    copyFileSync(SCRIPT, join(dir, "agent.sh"));
  });
  afterEach(() => {
    for (const pid of processesUnder(dir, "pid")) process.kill(Number(pid), "SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  const agent = (...args: string[]) => execFileSync("/bin/sh", [join(dir, "agent.sh"), ...args], { encoding: "utf8" });
  /** Starts it with this shell script as Node.js; `$round` there is 1 at the first start. */
  const launch = (script: string) => {
    const node = join(dir, "node");
    const count = `round=$(($(cat rounds 2>/dev/null || echo 0) + 1)); echo $round >rounds`;
    writeFileSync(node, `#!/bin/sh\n${count}\n${script}\n`, { mode: 0o700 });
    const places = { data: join(dir, "data"), endpoint: dir };
    writeFileSync(join(dir, "launch.sh"), launchScript({ node, agent: "/agent", extension: "js", places, init: [] }));
    return spawn("/bin/sh", [join(dir, "launch.sh"), "forever"], { stdio: "ignore" });
  };

  it("ends with an agent that was starting when it was told to stop", async () => {
    const shell = launch('[ "$round" = 1 ] && exit 1; : >begun; while :; do sleep 0.1; done');
    const ended = once(shell, "exit");
    await waitFor(() => existsSync(join(dir, "begun")), { what: "the second start" });
    expect(agent("stop")).toContain("state=not-running");
    expect(await ended).toEqual([0, null]);
    expect(readFileSync(join(dir, "rounds"), "utf8")).toBe("2\n");
    expect(processesUnder(dir)).toEqual([]);
  });

  it("ends an agent that it started after it was told to stop", async () => {
    const shell = launch(": >begun; while :; do sleep 0.1; done");
    writeFileSync(join(dir, "stop"), "");
    expect(await once(shell, "exit")).toEqual([0, null]);
    expect(processesUnder(dir)).toEqual([]);
  });

  it("is told apart from an agent that has ended and that nobody has waited for", async () => {
    // This shell never waits for its child, which so stays in the list of processes.
    const parent = spawn("/bin/sh", ["-c", "sleep 600 & echo $!; exec sleep 600"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const [said] = (await once(parent.stdout, "data")) as [Buffer];
      const pid = Number(said.toString());
      const stat = () => readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /, "").split(" ");
      writeFileSync(
        join(dir, "agent.pid"),
        JSON.stringify({ ...ownIdentity(), pid, startTime: stat()[19], bootId: bootId() }),
      );
      expect(agent("status")).toContain(`state=running pid=${pid}`);
      process.kill(pid, "SIGKILL");
      await waitFor(() => stat()[0] === "Z", { what: "its end" });
      expect(agent("status")).toContain("state=not-running");
    } finally {
      parent.kill("SIGKILL");
    }
  });
});
