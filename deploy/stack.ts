/** A whole Farcall on one machine: nats-server, gateway and endpoint agents, each its own process, on the loopback interface. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { liveHolder } from "../endpoint-agent/directory-lock.ts";
import { endpointLayout } from "../endpoint-agent/layout.ts";
import { EXIT_DO_NOT_RESTART } from "../endpoint-agent/manager-config.ts";
import { directoriesOf, type Environment, makePrivateDirectory } from "./directories.ts";
import { endProcess } from "./escalation.ts";
import { type Layout, layoutOf, programFile, readJsonFile, writePrivateFile } from "./layout.ts";
import { ensureLocalEndpoint } from "./local-endpoint.ts";
import { ensureNatsAuth } from "./nats/auth.ts";
import { natsProcess, natsUrl } from "./nats/run.ts";
import { createPart, type Part, type PartStatus } from "./part.ts";
import { freePort, LOOPBACK } from "./ports.ts";
import type { ProcessSpec } from "./process.ts";
import { waitUntilGone } from "./process-identity.ts";

export type StackOptions = {
  /** holds everything: database, endpoints, logs */
  dir: string;
  /** the nats-server binary */
  natsServer: string;
  endpoints: readonly { name: string; config?: Record<string, unknown> }[];
  durability?: "disk" | "fast";
  /** more of the gateway's configuration */
  gateway?: Record<string, unknown>;
  /** whether a part that dies is started again; `always` if not said */
  restart?: "always" | "never";
  env?: Environment;
  onChange?: (parts: PartStatus[]) => void;
};

export type Stack = {
  url: string;
  /** the admin token */
  token: string;
  natsUrl: string;
  endpoints: { name: string; id: string; dir: string }[];
  parts(): PartStatus[];
  /** A part by name: `nats`, `gateway`, or `agent:<endpoint name>`. */
  part(name: string): Part;
  /** Agents first, then the gateway, then the wire. */
  stop(options?: { graceMs?: number }): Promise<void>;
};

/** An agent ends so only when it is asked to: `farcall endpoint stop`. */
const EXIT_STOPPED = 0;
/** The gateway's configuration is wrong: starting it again changes nothing. */
const EXIT_CONFIG = 2;
const READY_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 15_000;

/** Starts the stack in `dir` and resolves when the gateway answers and the agents run. What was started is stopped if it fails. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const layout = layoutOf(options.dir);
  for (const dir of [layout.dir, layout.gatewayDir, layout.logDir]) makePrivateDirectory(dir);
  const ports = await choosePorts(layout);
  await ensureNatsAuth(layout.natsDir);
  writeGatewayConfig(layout, ports, options);

  const parts = new Map<string, Part>();
  const add = (name: string, spec: () => ProcessSpec, finalCodes: readonly number[] = []): Part => {
    const onChange = () => options.onChange?.([...parts.values()].map((part) => part.status()));
    const part = createPart({
      name,
      spec,
      restart: options.restart ?? "always",
      finalCodes,
      onChange,
    });
    parts.set(name, part);
    return part;
  };
  const stop: Stack["stop"] = async ({ graceMs = STOP_GRACE_MS } = {}) => {
    const agents = [...parts].filter(([name]) => name.startsWith("agent:"));
    await Promise.all(agents.map(([, part]) => part.stop(graceMs)));
    // One that `farcall endpoint start` started again is not a part, but needs this gateway.
    await Promise.all(options.endpoints.map(({ name }) => endAgent(layout.endpointDir(name), graceMs)));
    await parts.get("gateway")?.stop(graceMs);
    await parts.get("nats")?.stop(graceMs);
  };

  try {
    const logFile = layout.log("nats");
    const nats = add("nats", () =>
      natsProcess({ path: options.natsServer, authDir: layout.natsDir, port: ports.nats, logFile }),
    );
    const gateway = add("gateway", () => gatewayProcess(layout, options), [EXIT_CONFIG]);
    // Together: the gateway waits for its wire by itself.
    const [, info] = await Promise.all([nats.start(), gateway.start()]);
    const url = String(info.url);
    const token = readFileSync(layout.adminToken, "utf8").trim();
    const endpoints = await Promise.all(
      options.endpoints.map(async (wanted) => {
        const dir = layout.endpointDir(wanted.name);
        const id = await ensureLocalEndpoint({ ...wanted, dir }, { url, token });
        await letGo(dir);
        const codes = [EXIT_STOPPED, EXIT_DO_NOT_RESTART];
        await add(`agent:${wanted.name}`, () => agentProcess(layout, wanted.name, options), codes).start();
        return { name: wanted.name, id, dir };
      }),
    );
    return {
      url,
      token,
      natsUrl: natsUrl(ports.nats),
      endpoints,
      parts: () => [...parts.values()].map((part) => part.status()),
      part: (name) => {
        const part = parts.get(name);
        if (!part) throw new Error(`no part ${name}; there are ${[...parts.keys()].join(", ")}`);
        return part;
      },
      stop,
    };
  } catch (error) {
    await stop({ graceMs: 2_000 });
    throw error;
  }
}

/** Another agent of this directory makes way; its managers run on and are taken over. */
async function letGo(dir: string): Promise<void> {
  const holder = liveHolder(endpointLayout(dir).lock);
  if (!holder) return;
  process.kill(holder.pid, "SIGUSR2");
  await waitUntilGone(holder, READY_TIMEOUT_MS);
}

async function endAgent(dir: string, graceMs: number): Promise<void> {
  const holder = liveHolder(endpointLayout(dir).lock);
  if (holder) await endProcess(holder, graceMs);
}

type Ports = { nats: number; gateway: number };

/** The ports of the last time where they are still free, so that a profile and open clients stay right. */
async function choosePorts(layout: Layout): Promise<Ports> {
  const last = (existsSync(layout.ports) ? readJsonFile(layout.ports) : undefined) as Partial<Ports> | undefined;
  const gateway = await freePort(last?.gateway);
  let nats = await freePort(last?.nats);
  while (nats === gateway) nats = await freePort();
  writePrivateFile(layout.ports, JSON.stringify({ nats, gateway }));
  return { nats, gateway };
}

function writeGatewayConfig(layout: Layout, ports: Ports, options: StackOptions): void {
  const config = {
    listen: { host: LOOPBACK, port: ports.gateway },
    stateDir: layout.gatewayDir,
    durability: options.durability ?? "disk",
    nats: { servers: [natsUrl(ports.nats)], dir: layout.natsDir },
    ...options.gateway,
  };
  writePrivateFile(layout.gatewayConfig, stringify(config));
}

function gatewayProcess(layout: Layout, options: StackOptions): ProcessSpec {
  return nodeProcess("gateway", ["gateway/main", "--config", layout.gatewayConfig], { layout, options });
}

function agentProcess(layout: Layout, name: string, options: StackOptions): ProcessSpec {
  const args = ["endpoint-agent/main", "--dir", layout.endpointDir(name)] as const;
  const agent = nodeProcess(`agent-${name}`, args, { layout, options });
  // Where `farcall endpoint logs` looks.
  return { ...agent, logFile: endpointLayout(layout.endpointDir(name)).log };
}

function nodeProcess(
  name: string,
  [program, ...args]: readonly [string, ...string[]],
  { layout, options }: { layout: Layout; options: StackOptions },
): ProcessSpec {
  return {
    name,
    file: process.execPath,
    args: [programFile(program), ...args],
    cwd: layout.dir,
    logFile: layout.log(name),
    ready: "line",
    readyTimeoutMs: READY_TIMEOUT_MS,
    env: withCompileCache(options.env ?? process.env),
  };
}

/** What Node.js compiled of the programs is kept, which makes them start in a third of the time. */
function withCompileCache(env: Environment): Environment {
  return { NODE_COMPILE_CACHE: join(directoriesOf(env).cache, "node-compile-cache"), ...env };
}
