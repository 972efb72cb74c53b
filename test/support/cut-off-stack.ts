/** A stack whose agent reaches the gateway and NATS through proxies, which can be made a black hole. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Farcall } from "../../sdk/index.ts";
import { witness } from "./evidence.ts";
import { startStack } from "./stack.ts";
import { startTcpProxy, type Tap } from "./tcp-proxy.ts";

/** Starts it, with one endpoint of this configuration; `tap` hears what goes between the agent and NATS. */
export async function startCutOffStack(config: Record<string, unknown>, tap?: Tap) {
  const stack = await startStack({ endpoints: [{ name: "laptop", config }] });
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  const gateway = await startTcpProxy(Number(new URL(stack.url).port));
  const nats = await startTcpProxy(Number(new URL(stack.natsUrl).port), tap);
  const dir = stack.endpoints[0]?.dir ?? "";
  const evidence = join(stack.dir, "evidence");

  await stack.kill("agent");
  edit(join(dir, "credentials.json"), (text) => text.replace(stack.url, `http://127.0.0.1:${gateway.port}`));
  edit(join(stack.dir, "gateway.yaml"), (text) =>
    text.replace(/^nats:$/m, `nats:\n  agentServers: ["nats://127.0.0.1:${nats.port}"]`),
  );
  await stack.restart("gateway");
  await stack.restart("agent");
  return {
    stack,
    farcall,
    dir,
    evidence,
    call: (key: string, ms: number) => farcall.function(witness, { name: "witness" }).submit(evidence, key, ms),
    /** Nothing between the agent and the rest comes through any more, and nobody says so. */
    cutOff() {
      for (const proxy of [gateway, nats]) proxy.hold();
    },
    reconnect() {
      for (const proxy of [gateway, nats]) proxy.release();
    },
    async stop() {
      await farcall.close();
      await stack.stop();
      for (const proxy of [gateway, nats]) await proxy.stop();
    },
  };
}

function edit(file: string, change: (text: string) => string): void {
  const before = readFileSync(file, "utf8");
  const after = change(before);
  if (after === before) throw new Error(`nothing to change in ${file}: ${before}`);
  writeFileSync(file, after);
}
