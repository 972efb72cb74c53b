import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait-for.ts";

const WAIT =
  "import { existsSync } from 'node:fs';\nexport async function until(file) { while (!existsSync(file)) await new Promise((r) => setTimeout(r, 20)); return 'done'; }\n";

let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
  await writeFile(join(home.dir, "wait.mjs"), WAIT);
  const up = await home.run(["up", "--detach"]);
  if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
});
afterAll(() => home.remove());

it("a gateway that goes away in the middle of a call is named, with the task and the way back to it", async () => {
  const { url, token } = await home.profile();
  const port = Number(new URL(url).port);
  const proxy = await startTcpProxy(port);
  try {
    const file = join(home.dir, "go");
    const env = { FARCALL_URL: `http://127.0.0.1:${proxy.port}`, FARCALL_TOKEN: token };
    const call = (...words: string[]) =>
      home.start(["call", "--js", "wait.mjs:until", "--group", "outage", ...words, file], { env });
    const patient = call();
    const impatient = call("--gateway-timeout", "8s", "--json");
    const running = () => home.json<{ id: string }[]>(["tasks", "ls", "--group", "outage", "--state", "running"]);
    await waitFor(async () => (await running()).length === 2);
    // Nobody listens on port 1.
    proxy.target(1);
    proxy.cut();
    const gaveUp = await impatient.done;
    expect(gaveUp).toMatchObject({ code: EXIT.unreachable, stdout: "" });
    const [note, error] = gaveUp.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(note).toMatchObject({ gateway: "silent", url: env.FARCALL_URL, task: expect.any(String) });
    expect(error.error).toMatchObject({ code: "UNAVAILABLE", details: { task: note.task, accepted: true } });
    await waitFor(() => patient.stderr().includes("trying again for 1 min"));
    const id = /farcall tasks result (\S+)`/.exec(patient.stderr())?.[1] as string;
    expect((await running()).map((task) => task.id).sort()).toEqual([id, note.task].sort());
    proxy.target(port);
    await waitFor(() => patient.stderr().includes("the gateway answers again"));
    await writeFile(file, "");
    expect(await patient.done).toMatchObject({ code: 0, stdout: "done\n" });
    expect(await home.run(["tasks", "result", note.task])).toMatchObject({ code: 0, stdout: "done\n" });
  } finally {
    await proxy.stop();
  }
});
