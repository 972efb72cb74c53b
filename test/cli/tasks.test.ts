import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { run } from "../../deploy/command.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";

type Task = { id: string; state: string; functionName: string; retryOf: string | null };

let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
  await writeFile(
    join(home.dir, "tools.mjs"),
    "export const double = (x) => 2 * x;\nexport function fail() { throw new Error('\\x1b[31mno\\x07') }\n" +
      "export async function again(file) {\n  const fs = await import('node:fs');\n  if (fs.existsSync(file)) return new Promise((end) => setTimeout(end, 600_000));\n" +
      "  fs.writeFileSync(file, '');\n  throw new Error('the first time');\n}\n",
  );
  const up = await home.run(["up", "--detach"]);
  if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
  await home.run(["call", "--js", "tools.mjs:double", "--group", "done", "4"]);
  await home.run(["call", "--js", "tools.mjs:fail", "--group", "failed", "1"]);
  await home.run(["run", "--group", "shell", "--", "echo out; echo err >&2"]);
  // An endpoint whose agent never started: what is sent there waits.
  const { url, token } = await home.profile();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ name: "asleep" });
  const made = await fetch(`${url}/v1/endpoints`, { method: "POST", headers, body });
  expect(made.status).toBe(201);
});
afterAll(() => home.remove());

const tasksOf = (group: string) => home.json<Task[]>(["tasks", "ls", "--group", group]);
const submitWaiting = async (group: string) => {
  const { stdout } = await home.run(["call", "tools.double", "-e", "asleep", "--group", group, "--no-wait", "1"]);
  return stdout.trim();
};

describe("farcall tasks", () => {
  it("lists tasks as a table, and filters them", async () => {
    const { stdout, code } = await home.run(["tasks", "ls"]);
    expect(code).toBe(0);
    const [title, ...lines] = stdout.trimEnd().split("\n");
    expect(title).toMatch(/^ID +STATE +FUNCTION +ENDPOINT +SUBMITTED +RAN +WHY$/);
    expect(lines.length).toBeGreaterThanOrEqual(3);
    const failed = await home.json<Task[]>(["tasks", "ls", "--state", "failed", "--since", "1h"]);
    expect(failed.map((task) => task.functionName)).toEqual(["tools.fail"]);
    expect(await home.json(["tasks", "ls", "--function", "nothing-of-the-kind"])).toEqual([]);
  });

  it("shows a failed task with its attempts and without control characters", async () => {
    const [task] = await tasksOf("failed");
    const { stdout } = await home.run(["tasks", "show", task?.id as string]);
    expect(stdout).toContain("USER_ERROR: Error: no");
    expect(stdout).toMatch(/ATTEMPT +STARTED +RAN +ENDED/);
    expect(stdout).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
  });

  it("does not show the failure of an earlier attempt as that of a task that is tried again", async () => {
    const call = [
      "call",
      "--js",
      "tools.mjs:again",
      "--no-wait",
      "--retries",
      "1",
      JSON.stringify(join(home.dir, "tried")),
    ];
    const id = (await home.run(call)).stdout.trim();
    const shown = async () => (await home.run(["tasks", "show", id])).stdout;
    await expect
      .poll(shown, { timeout: 20_000 })
      .toMatch(/Its last attempt ended: USER_ERROR: Error: the first time\n\nATTEMPT/);
    await home.run(["tasks", "cancel", id]);
    await expect.poll(shown, { timeout: 20_000 }).not.toContain("Its last attempt");
  });

  it("lists what waits with why, and refuses a state beside it", async () => {
    const id = await submitWaiting("waiting");
    const rows = await home.json<(Task & { waits: { reason: string } })[]>(["tasks", "list", "--waiting"]);
    expect(rows.find((row) => row.id === id)).toMatchObject({ waits: { reason: "endpoint-never-started" } });
    const { stdout } = await home.run(["tasks", "ls", "-w", "--group", "waiting"]);
    expect(stdout).toMatch(/queued +tools\.double +asleep .*the endpoint asleep has never been started/);
    expect((await home.run(["tasks", "ls", "-w", "--group", "done"])).stderr).toContain("nothing waits");
    expect((await home.run(["tasks", "ls", "-w", "-s", "failed"])).code).toBe(EXIT.usage);
  });

  it("says why a waiting task waits", async () => {
    const id = await submitWaiting("why");
    const { stdout } = await home.run(["tasks", "show", id]);
    expect(stdout).toMatch(/It waits: .*asleep/);
    const detail = await home.json<{ waits: { reason: string } }>(["tasks", "show", id]);
    expect(detail.waits.reason).not.toBe("");
  });

  it("prints the output to where it was written", async () => {
    const [task] = await tasksOf("shell");
    const id = task?.id as string;
    expect(await home.run(["tasks", "logs", id])).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
    expect(await home.run(["logs", "-f", "--stream", "stdout", id])).toEqual({ code: 0, stdout: "out\n", stderr: "" });
    expect(await home.json(["logs", id])).toMatchObject({ stdout: "out\n", stderr: "err\n", truncated: false });
  });

  it("cancels one, or a whole group, and says what had ended already", async () => {
    const one = await submitWaiting("one");
    expect(await home.json(["tasks", "cancel", one])).toEqual({ cancelled: 1, alreadyFinished: 0, notFound: 0 });
    expect(await home.json(["tasks", "cancel", one])).toMatchObject({ cancelled: 0, alreadyFinished: 1 });
    await submitWaiting("many");
    await submitWaiting("many");
    expect((await home.run(["tasks", "cancel", "--group", "many"])).stdout).toBe("cancelled 2\n");
    expect((await tasksOf("many")).map((task) => task.state)).toEqual(["cancelled", "cancelled"]);
  });

  it("exits with 2 when nothing, or too much, says what to cancel, and with 3 for what does not exist", async () => {
    expect((await home.run(["tasks", "cancel"])).code).toBe(EXIT.usage);
    expect((await home.run(["tasks", "cancel", "--all", "--group", "x"])).code).toBe(EXIT.usage);
    const unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    expect((await home.run(["tasks", "cancel", unknown])).code).toBe(EXIT.notFound);
    expect((await home.run(["tasks", "show", unknown])).code).toBe(EXIT.notFound);
  });

  it("retries a finished task as a new one that names it", async () => {
    const [old] = await tasksOf("failed");
    const { id, retryOf } = await home.json<{ id: string; retryOf: string }>(["tasks", "retry", old?.id as string]);
    expect(retryOf).toBe(old?.id);
    expect(await home.json<Task>(["tasks", "show", id])).toMatchObject({ id, retryOf: old?.id });
  });
});

describe("farcall functions", () => {
  it("lists, shows with the code, and deletes", async () => {
    const { stdout } = await home.run(["functions", "ls"]);
    expect(stdout).toMatch(/^NAME +RUNTIME +SIZE +REGISTERED +ID\n/);
    expect(stdout).toMatch(/tools\.double +javascript/);
    const shown = await home.run(["functions", "show", "tools.double"]);
    expect(shown.stdout).toContain("2 * x");
    await home.run(["call", "--js", "tools.mjs:double", "1"]);
    expect(await home.json(["functions", "delete", "tools.double"])).toMatchObject({ name: "tools.double" });
    expect((await home.run(["functions", "show", "tools.double"])).code).toBe(EXIT.notFound);
  });
});

describe("farcall completion", () => {
  const complete = async (...words: string[]) =>
    (await home.run(["__complete", "--", ...words])).stdout.split("\n").filter((line) => line !== "");

  it("completes endpoints where a command takes one", async () => {
    for (const command of ["status", "start", "logs", "drain"]) {
      expect(await complete("endpoint", command, "")).toEqual(["asleep", "laptop"]);
    }
  });

  it("completes commands, their commands, options and the options' values", async () => {
    expect(await complete("t")).toEqual(["tasks"]);
    expect(await complete("tasks", "")).toEqual(expect.arrayContaining(["cancel", "logs", "ls", "retry", "show"]));
    expect(await complete("tasks", "ls", "--st")).toEqual(["--state"]);
    expect(await complete("tasks", "ls", "--state", "w")).toEqual(["waiting"]);
    expect(await complete("completion", "")).toEqual(["bash", "fish", "zsh"]);
    expect(await complete("tasks", "ls", "--state", "zzz")).toEqual([]);
    expect(await complete("tasks", "list", "--wait")).toEqual(["--waiting"]);
  });

  it("completes names that the gateway knows", async () => {
    expect(await complete("call", "-e", "")).toEqual(["asleep", "laptop"]);
    expect(await complete("call", "tools.f")).toEqual(["tools.fail"]);
    expect(await complete("tasks", "ls", "--group", "sh")).toEqual(["shell"]);
  });

  it("prints a script that bash can load and that completes there", async () => {
    const script = join(home.dir, "completion.sh");
    await writeFile(script, (await home.run(["completion", "bash"])).stdout);
    const bin = new URL("../../bin/farcall.mjs", import.meta.url).pathname;
    const shell = `farcall() { "${process.execPath}" "${bin}" "$@"; }; source "${script}"; COMP_WORDS=(farcall tasks l); COMP_CWORD=2; _farcall; printf '%s\\n' "\${COMPREPLY[@]}"`;
    expect(await run("bash", ["-c", shell], { timeoutMs: 20_000, env: home.env })).toBe("logs\nls\n");
  });
});

describe("farcall status and doctor", () => {
  it("show the parts, the gateway and the endpoints", async () => {
    const { stdout, code } = await home.run(["status"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/up: ready, process \d+/);
    for (const part of ["nats", "gateway", "agent:laptop"])
      expect(stdout).toMatch(new RegExp(`${part} +running +\\d+ +0`));
    expect(stdout).toMatch(/laptop +online/);
    expect(stdout).toMatch(/asleep +never-started/);
  });

  it("doctor finds nothing wrong", async () => {
    const { ok, findings } = await home.json<{ ok: boolean; findings: { check: string; state: string }[] }>(["doctor"]);
    expect(findings.filter((finding) => finding.state === "wrong")).toEqual([]);
    expect(ok).toBe(true);
    expect(findings.map((finding) => finding.check)).toEqual(expect.arrayContaining(["gateway", "clock", "endpoints"]));
  });

  it("version names all three", async () => {
    expect(await home.json(["version"])).toEqual({
      farcall: expect.stringMatching(/^\d/),
      node: process.versions.node,
      gateway: expect.stringMatching(/^\d/),
    });
  });

  it("bench measures and loses nothing", async () => {
    const result = await home.json(["bench", "--tasks", "500", "--sequential", "10"]);
    expect(result).toMatchObject({ noop_tasks: 500, wrong: 0, noop_tasks_per_s: expect.any(Number) });
  });
});
