import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { isAlive } from "../../deploy/process-identity.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";
import { waitFor } from "../support/wait-for.ts";

let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
  const up = await home.run(["up", "--detach"]);
  if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
});
afterAll(() => home.remove());

describe("the CLI says what to do next", { timeout: 90_000 }, () => {
  it("a call that waits for an endpoint which is not there says so, and runs once it is", async () => {
    await home.json(["endpoint", "configure", "away"]);
    const run = home.start(["run", "-e", "away", "--", "echo", "back"]);
    const json = home.start(["run", "-e", "away", "--json", "--", "echo", "back"]);
    await waitFor(() => /farcall: task \S+ waits: .*(not connected|never)/.test(run.stderr()), { timeoutMs: 30_000 });
    await waitFor(() => json.stderr().endsWith("\n"), { timeoutMs: 30_000 });
    expect(JSON.parse(json.stderr())).toMatchObject({
      task: expect.any(String),
      waits: { message: expect.any(String) },
    });
    await home.json(["endpoint", "start", "away"]);
    expect(await run.done).toMatchObject({ code: 0, stdout: "back\n" });
    expect(await json.done).toMatchObject({ code: 0 });
    await home.json(["endpoint", "stop", "away", "--now"]);
  });

  it("a map that waits for an endpoint which is not there says so once, and goes on once it is", async () => {
    await home.json(["endpoint", "configure", "later"]);
    const file = join(home.dir, "square.mjs");
    await writeFile(file, "export const square = (x) => x * x;\n");
    const map = home.start(["map", "-e", "later", "--js", `${file}:square`, "--ordered"], { input: "1\n2\n3\n" });
    await waitFor(() => /^farcall: task \S+ waits: the endpoint later has never been started/m.test(map.stderr()), {
      timeoutMs: 30_000,
    });
    await home.json(["endpoint", "start", "later"]);
    const { code, stdout, stderr } = await map.done;
    expect({
      code,
      values: stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).value),
    }).toEqual({
      code: 0,
      values: [1, 4, 9],
    });
    expect(stderr.match(/waits:/g)).toHaveLength(1);
    await home.json(["endpoint", "stop", "later", "--now"]);
  });

  it("configure names the options that a configuration which is there already does not follow", async () => {
    await home.json(["endpoint", "configure", "kept", "--max-blocks", "2"]);
    const again = await home.run(["endpoint", "configure", "kept", "--max-blocks", "3", "--min-blocks", "0"]);
    expect(again).toMatchObject({ code: 0, stderr: expect.stringMatching(/^--max-blocks ignored: .*kept/) });
    const same = await home.run(["endpoint", "configure", "kept", "--max-blocks", "2"]);
    expect(same.stderr).not.toContain("ignored");
  });

  it("logs of a task that runs point to -f, those of a cancelled one say that they are not kept", async () => {
    const file = join(home.dir, "nap.py");
    await writeFile(file, "import time\ndef nap():\n    print('on', flush=True)\n    time.sleep(600)\n");
    const id = (await home.run(["call", "--no-wait", "--python", `${file}:nap`])).stdout.trim();
    await waitFor(async () => (await home.json<{ state: string }>(["tasks", "show", id])).state === "running");
    expect(await home.run(["logs", id])).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("-f") });
    await home.json(["tasks", "cancel", id]);
    expect((await home.run(["logs", id])).stderr).toContain("not kept");
  });

  it("status and doctor name parts that run on after up was killed", async () => {
    const { up } = await home.json<{ up: { pid: number } }>(["status"]);
    process.kill(up.pid, "SIGKILL");
    await waitFor(() => !isAlive(up.pid));
    expect((await home.run(["status"])).stdout).toMatch(/nats, gateway, agent:laptop run unattended/);
    expect((await home.run(["doctor"])).stdout).toMatch(/! up .*unattended/);
    expect(await home.json(["status"])).toMatchObject({ up: null, unattended: ["nats", "gateway", "agent:laptop"] });
    await home.json(["down"]);
  });

  it("where nothing runs, every command says how to start it", async () => {
    for (const command of [["status"], ["tasks", "ls"], ["run", "--", "true"]]) {
      const found = await home.run(command);
      expect(found, command[0]).toMatchObject({ code: EXIT.unreachable });
      expect(found.stderr, command[0]).toContain("`farcall up --detach` starts it");
    }
    expect((await home.run(["doctor"])).stdout).toContain("`farcall up --detach` starts it");
    const elsewhere = await home.run(["tasks", "ls"], {
      env: { FARCALL_URL: "http://127.0.0.1:1", FARCALL_TOKEN: "x" },
    });
    expect(elsewhere.stderr).toContain("Check FARCALL_URL");
  });
});
