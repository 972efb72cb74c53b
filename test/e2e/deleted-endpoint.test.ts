/** FAULTS.md section 3, "Agent credentials", with everything real: what becomes of an agent whose endpoint is deleted. */
import { expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { processesUnder } from "../support/processes.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

it("an agent whose endpoint is deleted is cut off, kills its work and ends; another goes on", {
  timeout: 120_000,
}, async () => {
  await using stack = await startStack({ endpoints: [{ name: "gone" }, { name: "stays" }] });
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  const pid = farcall.command("echo $$; exec sleep 600").with({ endpoint: "gone" });
  const running = pid().catch((error: Error) => error);
  const headers = { authorization: `Bearer ${stack.token}` };
  const isRunning = async () => {
    const answer = await fetch(`${stack.url}/v1/tasks/counts?state=running`, { headers });
    return ((await answer.json()) as { counts: { running: number } }).counts.running === 1;
  };
  await waitFor(isRunning, { what: "the command to run", timeoutMs: 30_000 });
  const agent = stack.pid("agent:gone");

  expect((await fetch(`${stack.url}/v1/endpoints/gone`, { method: "DELETE", headers })).status).toBe(200);
  expect(await running).toMatchObject({ code: "CANCELLED" });
  await waitFor(() => !isAlive(agent), { what: "the agent to end", timeoutMs: 60_000 });
  const left = () => processesUnder(stack.endpoints[0]?.dir as string);
  await waitFor(() => left().length === 0, { what: "its managers and workers to end", timeoutMs: 60_000 });
  const square = farcall.function((x: number) => x * x, { name: "square" });
  expect(await square.with({ endpoint: "stays" })(7)).toBe(49);
  await farcall.close();
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
