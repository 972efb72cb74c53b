/** The endpoint's configuration, `<endpoint dir>/config.yaml`. Its JSON Schema is published as config.schema.json. */
import { availableParallelism, totalmem } from "node:os";
import { z } from "zod";
import { EnvironmentVariables, Name } from "../protocol/task.ts";
import { ManagerLimits } from "./manager-config.ts";
import { DriverConfig, LauncherConfig, LinkConfig, MpiConfig, ProviderConfig } from "./provider-config.ts";

const milliseconds = z.int().min(1);
const count = z.int().min(0);

/** `policy` of the file. */
export const PolicyConfig = z
  .strictObject({
    initBlocks: count.max(10_000).default(0).meta({ description: "Blocks to start with." }),
    minBlocks: count.max(10_000).default(0).meta({ description: "Blocks to keep even when nothing waits." }),
    maxBlocks: count.max(10_000).default(1).meta({
      description: "The most blocks at any time; pending, held and unknown ones count.",
    }),
    nodesPerBlock: z.int().min(1).max(10_000).default(1).meta({ description: "Nodes of one block." }),
    workersPerNode: z.int().min(1).max(4096).optional().meta({
      description: "Worker processes that run at once on a node. Default: node.cores.",
    }),
    parallelism: z.number().gt(0).max(1).default(1).meta({
      description: "Slots wanted for each waiting task: 1 gives every task its own slot, 0.1 one slot for ten tasks.",
    }),
    maxIdleTimeMs: count.default(120_000).meta({ description: "How long a block may be idle before it is let go." }),
    minIdleTimeMs: count.optional().meta({
      description:
        "Lets an idle block go sooner than after maxIdleTimeMs: once it has been idle for as long as blocks lately took to start, yet not before this time. Default: it is idle for maxIdleTimeMs.",
    }),
    walltimeMs: milliseconds.optional().meta({ description: "How long a block may live. Default: no limit." }),
    maxQueueTimeMs: milliseconds.optional().meta({
      description:
        "A block that waits in the scheduler's queue for longer is cancelled and counts as a failure; the next one is asked for as the next of provider.alternatives, if there are any. Default: no limit.",
    }),
  })
  .refine((policy) => policy.minBlocks <= policy.maxBlocks, {
    path: ["minBlocks"],
    error: "at most maxBlocks",
  })
  .refine((policy) => (policy.minIdleTimeMs ?? 0) <= policy.maxIdleTimeMs, {
    path: ["minIdleTimeMs"],
    error: "at most maxIdleTimeMs",
  })
  .refine((policy) => policy.initBlocks <= policy.maxBlocks, {
    path: ["initBlocks"],
    error: "at most maxBlocks",
  })
  .meta({ id: "Policy", description: "When blocks start and stop." });
export type PolicyConfig = z.infer<typeof PolicyConfig>;

/** `node` of the file. */
export const NodeConfig = z
  .strictObject({
    cores: z
      .int()
      .min(1)
      .max(4096)
      .optional()
      .meta({ description: "Cores of a node. Default: those of this machine." }),
    memoryMb: z
      .int()
      .min(1)
      .max(64 * 1024 * 1024)
      .optional()
      .meta({ description: "Memory of a node for tasks, MiB. Default: that of this machine." }),
    gpus: z.int().min(0).max(64).default(0).meta({ description: "GPUs of a node." }),
  })
  .meta({ id: "Node", description: "What one node offers to tasks." });

/** The whole file. */
export const EndpointConfig = z
  .strictObject({
    name: Name.meta({ description: "The endpoint's name at the gateway." }),
    provider: ProviderConfig.prefault({ type: "local" }),
    launcher: LauncherConfig.prefault({}),
    link: LinkConfig.prefault({}),
    mpi: MpiConfig.prefault({}),
    driver: DriverConfig.prefault({ type: "local" }),
    manager: z.enum(["node", "python"]).optional().meta({
      description:
        "What runs on the nodes. python: a manager in one file for nodes too old for Node.js, run by workers.python (3.6 or newer); it runs Python functions and shell commands, no JavaScript. Default: node; with driver.type ssh python where no Node.js runs on the login node.",
    }),
    policy: PolicyConfig.prefault({}),
    node: NodeConfig.prefault({}),
    workers: z
      .strictObject({
        python: z.string().min(1).default("python3").meta({
          description: "The Python interpreter of Python functions: a path, or a command that is on the PATH.",
        }),
        env: EnvironmentVariables.default({}).meta({ description: "Environment variables of every worker." }),
        init: z
          .string()
          .optional()
          .meta({ description: "Shell lines that every node runs before its manager, as `module load …`." }),
        affinity: z.enum(["none", "cores"]).default("none").meta({
          description: "cores: every process is kept on cores of its own, as many as its tasks ask for. Needs taskset.",
        }),
        scratch: z.string().startsWith("/").optional().meta({
          description: "Directory on each node for the files of tasks. Default: TMPDIR of the node, or /tmp.",
        }),
      })
      .prefault({})
      .meta({ id: "Workers", description: "How worker processes are started." }),
    limits: ManagerLimits.strict().prefault({}).meta({ id: "Limits", description: "Bounds of tasks and workers." }),
    proxy: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({
        description:
          "HTTP proxy through which the agent reaches the gateway and, over WebSocket, NATS: http://[user:password@]host:port. Default: none.",
      }),
    orphanTimeoutMs: milliseconds.min(5_000).optional().meta({
      description:
        "Work that had no contact for this long is killed where it runs. Default: 60,000 for the local provider, 3,600,000 otherwise.",
    }),
    logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").meta({ description: "What is logged." }),
  })
  .refine(
    ({ provider, launcher, policy, mpi }) =>
      provider.type === "local" ||
      policy.nodesPerBlock === 1 ||
      launcher.type !== "single" ||
      mpi.launcher !== undefined,
    {
      path: ["launcher", "type"],
      error: "one that starts managers on all nodes, as policy.nodesPerBlock is above 1; or mpi.launcher beside it",
    },
  )
  .refine(({ driver, provider }) => driver.type === "local" || provider.type !== "local", {
    path: ["driver", "type"],
    error: "local, or a batch scheduler as provider beside it",
  })
  .refine(({ driver, node }) => driver.type === "local" || (node.cores !== undefined && node.memoryMb !== undefined), {
    path: ["node"],
    error: "cores and memoryMb of a node of the site, as driver.type is ssh: this machine's say nothing of it",
  })
  .meta({ id: "EndpointConfig", title: "Farcall endpoint", description: "Configuration of a Farcall endpoint." });
export type EndpointConfig = z.infer<typeof EndpointConfig>;

/** A configuration with this machine's answers where the file is silent. */
export type Settings = Omit<EndpointConfig, "policy" | "node" | "orphanTimeoutMs"> & {
  policy: PolicyConfig & { workersPerNode: number };
  /** `nodes`: one manager beside so many nodes starts commands on them, and there is none on the nodes */
  node: { cores: number; memoryMb: number; gpus: number; nodes?: number };
  orphanTimeoutMs: number;
};

/** Fills in what depends on the machine. */
export function settle(config: EndpointConfig): Settings {
  const cores = config.node.cores ?? availableParallelism();
  const { provider, launcher, policy } = config;
  const beside = provider.type !== "local" && launcher.type === "single" && policy.nodesPerBlock > 1;
  const memoryMb = config.node.memoryMb ?? Math.floor(memoryBytes() / 1024 ** 2);
  return {
    ...config,
    policy: { ...config.policy, workersPerNode: config.policy.workersPerNode ?? cores },
    node: { cores, memoryMb, gpus: config.node.gpus, ...(beside && { nodes: policy.nodesPerBlock }) },
    orphanTimeoutMs: config.orphanTimeoutMs ?? (config.provider.type === "local" ? 60_000 : 3_600_000),
  };
}

/** The published JSON Schema, as text. */
export function configSchemaText(): string {
  const schema = z.toJSONSchema(EndpointConfig, { io: "input", target: "draft-2020-12" });
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** What this process may use: a container's limit where there is one. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}
