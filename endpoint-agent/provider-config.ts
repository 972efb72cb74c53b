/** `provider`, `launcher` and `link` of an endpoint's configuration. */
import { z } from "zod";

/** A value that enters a batch script or an argv: no space, no quote, no newline, nothing that a shell reads. */
const token = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:@%+=,/-]*$/, "a plain word without spaces or quotes");
/** A whole directive, as `--mail-type=END` or `-l feature=x`: one line, no shell characters. */
const directive = z.string().regex(/^[A-Za-z0-9_.:@%+=,/ ()&|!*[\]-]+$/, "one line without quotes, $, ;, < or >");
const milliseconds = z.int().min(1);

export const BATCH_TYPES = ["slurm", "pbs", "torque", "moab", "sge", "lsf", "htcondor", "flux"] as const;

/** Where in a scheduler a block is asked for. */
const PLACE = {
  queue: token.optional().meta({ description: "Queue, or partition in Slurm." }),
  account: token.optional().meta({ description: "Account, allocation or project that is charged." }),
  qos: token.optional().meta({ description: "Quality of service." }),
  reservation: token.optional().meta({ description: "A reservation to run in." }),
  constraint: z
    .string()
    .regex(/^[A-Za-z0-9_.:&|()[\]*!=,-]+$/, "features, joined by & or |")
    .optional()
    .meta({ description: "Features that nodes must have." }),
  nodeType: token.optional().meta({
    description:
      "Node type, as xe or xk of Blue Waters: appended to the node request. In PBS a resource of each chunk, as model=bro.",
  }),
};

/** A batch scheduler as provider. */
export const BatchConfig = z.strictObject({
  type: z.enum(BATCH_TYPES),
  ...PLACE,
  alternatives: z.array(z.strictObject(PLACE)).max(10).default([]).meta({
    description:
      "Other places to ask for blocks, in turn, when one waits for longer than policy.maxQueueTimeMs or would never start; what one of them does not name is as above.",
  }),
  parallelEnvironment: token.optional().meta({ description: "SGE's parallel environment for more than one slot." }),
  exclusive: z
    .boolean()
    .default(true)
    .meta({ description: "Ask for whole nodes, where the scheduler can share them." }),
  requestMemory: z.boolean().default(false).meta({ description: "Ask the scheduler for node.memoryMb." }),
  directives: z.array(directive).max(100).default([]).meta({
    description:
      "Further directives, as the scheduler writes them behind #SBATCH, #PBS, #$ or #BSUB; for HTCondor `key = value` lines.",
  }),
  prologue: z.string().max(65_536).default("").meta({
    description: "Shell lines that the batch script runs before the launcher, where the script runs.",
  }),
  signalBeforeEndMs: milliseconds.default(120_000).meta({
    description: "How long before the walltime's end the scheduler is asked to warn, where it can.",
  }),
  statusIntervalMs: milliseconds.min(10_000).default(30_000).meta({
    description: "How often the scheduler is asked about all blocks; doubled while it fails.",
  }),
  commandTimeoutMs: milliseconds.min(1_000).default(60_000).meta({
    description: "A scheduler command that takes longer is ended.",
  }),
  binDir: z
    .string()
    .startsWith("/")
    .optional()
    .meta({ description: "Where the scheduler's commands are, if not on the PATH." }),
});
export type BatchConfig = z.infer<typeof BatchConfig>;

export const ProviderConfig = z
  .discriminatedUnion("type", [z.strictObject({ type: z.literal("local") }), BatchConfig])
  .meta({
    id: "Provider",
    description: "Who is asked for blocks: `local` is processes of this machine, the rest are batch schedulers.",
  });
export type ProviderConfig = z.infer<typeof ProviderConfig>;

export const LAUNCHER_TYPES = ["single", "srun", "mpiexec", "aprun", "jsrun", "ibrun", "pbsdsh", "flux"] as const;

export const LauncherConfig = z
  .strictObject({
    type: z.enum(LAUNCHER_TYPES).default("single"),
    overrides: z
      .array(z.string().regex(/^[^\0\n]+$/))
      .max(100)
      .default([])
      .meta({
        description:
          "Further arguments of the launcher, placed just before the command: as `--`, `bwpy-environ`, `--`.",
      }),
  })
  .meta({
    id: "Launcher",
    description: "What starts one manager on each node of a block. `single`: only where the script runs.",
  });
export type LauncherConfig = z.infer<typeof LauncherConfig>;

export const MPI_LAUNCHER_TYPES = ["mpiexec", "srun", "aprun", "jsrun", "ibrun", "flux"] as const;

/** How commands on several nodes start their ranks. */
export const MpiConfig = z
  .strictObject({
    launcher: z.enum(MPI_LAUNCHER_TYPES).optional().meta({
      description:
        "What starts the ranks. Default: the block's launcher if it can be used inside a block (srun), else mpiexec. With launcher.type single and more than one node in a block, a single manager beside the nodes starts nothing but such commands: needed where only the batch script's machine can reach the nodes, as with aprun, jsrun, ibrun and flux.",
    }),
    overrides: z
      .array(z.string().regex(/^[^\0\n]+$/))
      .max(100)
      .default([])
      .meta({
        description: "Further arguments of it, placed just before the program.",
      }),
  })
  .meta({ id: "Mpi", description: "Commands that run on several nodes." });
export type MpiConfig = z.infer<typeof MpiConfig>;

export const DriverConfig = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("local") }),
    z.strictObject({
      type: z.literal("ssh"),
      host: z
        .string()
        .min(1)
        .meta({ description: "The login node: [user@]host[:port], or a Host of OpenSSH's configuration." }),
      via: z.string().min(1).optional().meta({ description: "Jump hosts, joined by commas." }),
      node: z.string().startsWith("/").optional().meta({
        description:
          "A Node.js of the site for managers, which its nodes see too. Default: the site's own, or one that is put into dir.",
      }),
      configFile: z.string().startsWith("/").optional().meta({
        description: "OpenSSH's configuration, if not the user's own.",
      }),
      dir: z
        .string()
        .regex(/^\/[A-Za-z0-9_.+@:,=/-]*$/, "an absolute path without spaces or quotes")
        .optional()
        .meta({
          description:
            "Directory for blocks, on a file system of the site that its nodes see. Default: .farcall/driven in the home there.",
        }),
      forward: z
        .strictObject({
          address: z
            .string()
            .regex(/^[A-Za-z0-9_.:%-]+$/)
            .optional()
            .meta({
              description:
                "Address of the login node that compute nodes reach. Default: the one that its own name leads to.",
            }),
          port: z.int().min(1).max(65_535).optional().meta({ description: "Default: a free one." }),
        })
        .optional()
        .meta({
          description:
            "The login node listens there and passes managers on to the agent: its sshd, or where that may not, a small Python program in the session. Default: so, unless link.address or link.interface is set; then managers dial the agent itself.",
        }),
    }),
  ])
  .meta({
    id: "Driver",
    description:
      "Where the scheduler's commands run. `ssh`: at a login node, over a connection that the agent keeps open, for sites where no agent can run.",
  });
export type DriverConfig = z.infer<typeof DriverConfig>;

export const LinkConfig = z
  .strictObject({
    address: z
      .string()
      .regex(/^[A-Za-z0-9_.:%-]+$/)
      .optional()
      .meta({
        description: "Address or host name of this machine that compute nodes dial. Default: this machine's host name.",
      }),
    interface: z
      .string()
      .regex(/^[A-Za-z0-9_.@-]+$/)
      .optional()
      .meta({
        description: "Network interface to listen on, instead of an address.",
      }),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .meta({ description: "Port to listen on. Default: a free one, kept over restarts." }),
  })
  .meta({
    id: "Link",
    description: "How managers on other machines reach the agent: WebSocket over TLS with a pinned certificate.",
  });
export type LinkConfig = z.infer<typeof LinkConfig>;
