/** What a stack writes before it starts: its ports and the gateway's configuration. */
import { stringify } from "yaml";
import { type Layout, readJsonFile, writePrivateFile } from "./layout.ts";
import { natsUrl } from "./nats/run.ts";
import { freePort, LOOPBACK } from "./ports.ts";

export type Ports = { nats: number; gateway: number };

/** The ports of the last time where they are still free, so that a profile and open clients stay right. */
export async function choosePorts(layout: Layout): Promise<Ports> {
  const last = readJsonFile(layout.ports) as Partial<Ports> | undefined;
  const gateway = await freePort(last?.gateway);
  let nats = await freePort(last?.nats);
  while (nats === gateway) nats = await freePort();
  writePrivateFile(layout.ports, JSON.stringify({ nats, gateway }));
  return { nats, gateway };
}

/** Whether somebody else took one of the ports between the choice and its use. */
export async function isTaken(ports: Ports): Promise<boolean> {
  return (await freePort(ports.gateway)) !== ports.gateway || (await freePort(ports.nats)) !== ports.nats;
}

/** Writes gateway.yaml. */
export function writeGatewayConfig(
  layout: Layout,
  ports: Ports,
  options: { durability?: "disk" | "fast"; gateway?: Record<string, unknown> },
): void {
  const config = {
    listen: { host: LOOPBACK, port: ports.gateway },
    stateDir: layout.gatewayDir,
    durability: options.durability ?? "disk",
    nats: { servers: [natsUrl(ports.nats)], dir: layout.natsDir },
    ...options.gateway,
  };
  writePrivateFile(layout.gatewayConfig, stringify(config));
}
