/** What 1,000 endpoints cost that do nothing. Their agents' connections come from this process and are not counted. */
import { setTimeout as sleep } from "node:timers/promises";
import { createIdleKey, type IdleAgent, startIdleAgent } from "../idle/agent.ts";
import { cpuSeconds } from "../measure/processes.ts";
import type { Running, Workload } from "../workload.ts";

/** at a time, so that the registration is no storm */
const AT_ONCE = 20;

export const idle: Workload = {
  name: "idle",
  about: "the processor time of gateway and nats-server while 1,000 endpoints are registered, connected and idle",
  run: ({ withFarcall, quick, log, signal }) =>
    withFarcall(async (running) => {
      const count = quick ? 100 : 1_000;
      const agents: IdleAgent[] = [];
      try {
        for (let done = 0; done < count; done += AT_ONCE) {
          const names = Array.from({ length: AT_ONCE }, (_, i) => `idle-${done + i}`);
          agents.push(...(await Promise.all(names.map((name) => connectIdle(running, name)))));
        }
        log(`${count} endpoints connected`);
        // two heartbeats each, so that what the start left behind is done
        await sleep(20_000, undefined, { signal });
        const percent = await cpuPercent(running, { ms: quick ? 20_000 : 60_000, signal });
        const silent = agents.filter((agent) => agent.answered() === 0).length;
        if (silent > 0) throw new Error(`${silent} of ${count} agents had no heartbeat answered`);
        return { idle_endpoints: count, idle_cpu_percent: percent };
      } finally {
        await Promise.all(agents.map((agent) => agent.stop()));
      }
    }),
};

async function connectIdle({ stack, farcall }: Running, name: string): Promise<IdleAgent> {
  const { endpoint, token } = await farcall.call("createEndpoint", { body: { name } });
  const key = createIdleKey();
  const response = await fetch(new URL(`/v1/endpoints/${endpoint.id}/credentials`, stack.url), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ userKey: key.publicKey }),
  });
  if (!response.ok) throw new Error(`credentials of ${name}: ${response.status} ${await response.text()}`);
  const { jwt, servers } = (await response.json()) as { jwt: string; servers: string[] };
  return startIdleAgent({ id: endpoint.id, jwt, servers, seed: key.seed });
}

/** Of one processor core, gateway and nats-server together. */
async function cpuPercent({ stack }: Running, { ms, signal }: { ms: number; signal: AbortSignal }): Promise<number> {
  const used = () =>
    ["gateway", "nats"].reduce((sum, part) => sum + cpuSeconds(stack.part(part).status().pid ?? Number.NaN), 0);
  const before = used();
  const started = performance.now();
  await sleep(ms, undefined, { signal });
  return ((used() - before) / ((performance.now() - started) / 1000)) * 100;
}
