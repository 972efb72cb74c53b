/** A whole Farcall on one machine: nats-server, gateway and endpoint agents, each its own process, on the loopback interface. */
import { readFileSync } from "node:fs";
import { liveHolder } from "../endpoint-agent/directory-lock.ts";
import { endpointLayout } from "../endpoint-agent/layout.ts";
import { EXIT_DO_NOT_RESTART } from "../endpoint-agent/manager-config.ts";
import { type Environment, makePrivateDirectory } from "./directories.ts";
import { endProcess } from "./escalation.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { ensureLocalEndpoint } from "./local-endpoint.ts";
import { ensureNatsAuth } from "./nats/auth.ts";
import { natsProcess, natsUrl } from "./nats/run.ts";
import { createPart, type Part, type PartStatus } from "./part.ts";
import { type ProcessSpec, StartError } from "./process.ts";
import { waitUntilGone } from "./process-identity.ts";
import { choosePorts, isTaken, type Ports, writeGatewayConfig } from "./stack-config.ts";
import { agentProcess, gatewayProcess } from "./stack-programs.ts";

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
const LET_GO_TIMEOUT_MS = 30_000;
const PORT_ATTEMPTS = 3;
const STOP_GRACE_MS = 15_000;

/** Starts the stack in `dir` and resolves when the gateway answers and the agents run. What was started is stopped if it fails. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const layout = layoutOf(options.dir);
  for (const dir of [layout.dir, layout.gatewayDir, layout.logDir]) makePrivateDirectory(dir);
  await ensureNatsAuth(layout.natsDir);
  for (let attempt = 1; ; attempt++) {
    const ports = await choosePorts(layout);
    writeGatewayConfig(layout, ports, options);
    const parts = createParts(options);
    try {
      return await startOn(layout, { ports, parts, options });
    } catch (error) {
      // As a process that binds a port later than we looked may find it taken.
      const retry = error instanceof StartError && attempt < PORT_ATTEMPTS;
      await stopParts(layout, parts, { ...options, graceMs: 2_000 });
      if (!retry || !(await isTaken(ports))) throw error;
    }
  }
}

type Parts = {
  all: Map<string, Part>;
  add(name: string, spec: () => ProcessSpec, finalCodes?: readonly number[]): Part;
};

function createParts({ restart = "always", onChange }: StackOptions): Parts {
  const all = new Map<string, Part>();
  const changed = () => onChange?.([...all.values()].map((part) => part.status()));
  return {
    all,
    add(name, spec, finalCodes = []) {
      const part = createPart({ name, spec, restart, finalCodes, onChange: changed });
      all.set(name, part);
      return part;
    },
  };
}

type Start = { ports: Ports; parts: Parts; options: StackOptions };

async function startOn(layout: Layout, { ports, parts, options }: Start): Promise<Stack> {
  const env = options.env ?? process.env;
  const natsRun = { path: options.natsServer, authDir: layout.natsDir, port: ports.nats, logFile: layout.log("nats") };
  const nats = parts.add("nats", () => natsProcess({ ...natsRun, env }));
  const gateway = parts.add("gateway", () => gatewayProcess(layout, env), [EXIT_CONFIG]);
  // Together: the gateway waits for its wire by itself.
  const [, info] = await Promise.all([nats.start(), gateway.start()]);
  const url = String(info.url);
  const token = readFileSync(layout.adminToken, "utf8").trim();
  const startAgent = async (wanted: StackOptions["endpoints"][number]) => {
    const dir = layout.endpointDir(wanted.name);
    const id = await ensureLocalEndpoint({ ...wanted, dir }, { url, token });
    await letGo(dir);
    const codes = [EXIT_STOPPED, EXIT_DO_NOT_RESTART];
    await parts.add(`agent:${wanted.name}`, () => agentProcess(layout, wanted.name, env), codes).start();
    return { name: wanted.name, id, dir };
  };
  return {
    url,
    token,
    natsUrl: natsUrl(ports.nats),
    endpoints: await Promise.all(options.endpoints.map(startAgent)),
    parts: () => [...parts.all.values()].map((part) => part.status()),
    part(name) {
      const part = parts.all.get(name);
      if (!part) throw new Error(`no part ${name}; there are ${[...parts.all.keys()].join(", ")}`);
      return part;
    },
    stop: ({ graceMs = STOP_GRACE_MS } = {}) => stopParts(layout, parts, { ...options, graceMs }),
  };
}

async function stopParts(
  layout: Layout,
  parts: Parts,
  { endpoints, graceMs }: Pick<StackOptions, "endpoints"> & { graceMs: number },
): Promise<void> {
  const agents = [...parts.all].filter(([name]) => name.startsWith("agent:"));
  await Promise.all(agents.map(([, part]) => part.stop(graceMs)));
  // One that `farcall endpoint start` started again is not a part, but needs this gateway.
  await Promise.all(endpoints.map(({ name }) => endAgent(layout.endpointDir(name), graceMs)));
  await parts.all.get("gateway")?.stop(graceMs);
  await parts.all.get("nats")?.stop(graceMs);
}

/** Another agent of this directory makes way; its managers run on and are taken over. */
async function letGo(dir: string): Promise<void> {
  const holder = liveHolder(endpointLayout(dir).lock);
  if (!holder) return;
  process.kill(holder.pid, "SIGUSR2");
  await waitUntilGone(holder, LET_GO_TIMEOUT_MS);
}

async function endAgent(dir: string, graceMs: number): Promise<void> {
  const holder = liveHolder(endpointLayout(dir).lock);
  if (holder) await endProcess(holder, graceMs);
}
