/**
 * A STAND-IN for Blue Waters, which was switched off in 2021: an SSH server on the loopback interface that wants a one-time password
 * for each login, the tests' stand-ins for Torque and `aprun` behind it, and a Farcall of its own. Real are Python, MPICH if it
 * is installed, the gateway, the agents, managers and workers.
 */
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { type Stack, startStack } from "../../deploy/stack.ts";
import { type OtpSite, startOtpSite } from "../../test/support/otp-site.ts";
import { processesUnder } from "../../test/support/processes.ts";
import type { Round } from "../../test/support/ssh-server.ts";
import type { StandInJob } from "../../test/support/stand-ins/control.ts";
import { createStandIn } from "../../test/support/stand-ins/stand-in.ts";
import type { Place } from "./place.ts";

/** Cray's compiler wrapper is called `cc`. */
const MPI_COMPILER = "/usr/bin/mpicc.mpich";
const NODES = 2;
const CORES = 32;
/** The machine behind the stand-in has few cores, and MPI's ranks wait by turning round and round. */
const RANKS_PER_NODE = 8;
const STOP_MS = 2_000;

/** Starts the stand-in. `await using` stops all of it and removes its directories. */
export async function startStandInSite(log: (line: string) => void): Promise<Place & AsyncDisposable> {
  const natsServer = await ensureNatsServer({ log });
  const dir = mkdtempSync(join(tmpdir(), "farcall-blue-waters-day-"));
  const mpi = existsSync(MPI_COMPILER);
  const batch = createStandIn({ kind: "torque", settings: { np: CORES, pmi: mpi } });
  let login: (OtpSite & AsyncDisposable) | undefined;
  let stack: Stack | undefined;
  const stop = async () => {
    endAgents(dir);
    await login?.[Symbol.asyncDispose]();
    await batch.stop();
    await stack?.stop({ graceMs: STOP_MS });
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    batch.control({ nodes: NODES });
    writePrograms(batch.bin);
    stack = await startStack({ dir: join(dir, "farcall"), natsServer: natsServer.path, endpoints: [] });
    login = await startOtpSite([tokenRound()], { path: batch.bin });
    return {
      title: "a STAND-IN for Blue Waters on this machine",
      target: "me@h2ologin.stand-in",
      args: [
        ...["--ssh-config", sshConfig(dir, login)],
        ...["--set", `provider.binDir=${batch.bin}`],
        ...["--set", "provider.statusIntervalMs=10000"],
        // Before the machine's own `hostname`, which knows nothing of the stand-in's nodes.
        ...["--set", `provider.prologue=PATH=${batch.bin}:$PATH; module load bwpy`],
        ...["--set", "link.address=127.0.0.1"],
      ],
      // The machine's own Node.js is as good as one that was sent. tmux has one session of a name: two days at once would be in
      // each other's way.
      deployArgs: ["--node", process.execPath, "--start", "nohup"],
      ranksPerNode: RANKS_PER_NODE,
      mpi,
      env: environment(dir, stack),
      gateway: { url: stack.url, token: stack.token },
      passing: true,
      records: () => batch.jobs().map((job) => `The stand-in for Torque: ${describe(job)}`),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A token that shows another number for each login. A real one is not told by the server that asks for it. */
function tokenRound(): Round {
  const draw = () => String(randomInt(1_000_000)).padStart(6, "0");
  let shown = draw();
  return {
    get instructions() {
      return `STAND-IN for Blue Waters. Your token shows ${shown}`;
    },
    prompts: [{ prompt: "PASSCODE: ", echo: false }],
    get answers() {
      const used = shown;
      shown = draw();
      return [used];
    },
  };
}

function describe({ id, state, ...job }: StandInJob): string {
  const asked = (job as { resources?: { nodes?: string } }).resources?.nodes;
  return `job ${id} had nodes=${asked}, on ${job.hosts?.join(" and ")}; it is ${state}`;
}

/** What the site file expects to find: `module`, the image of `bwpy-environ`, and the compiler. */
function writePrograms(bin: string): void {
  const program = (name: string, text: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  program("module", "exit 0");
  program("bwpy-environ", '[ "$1" != -- ] || shift\nexec "$@"');
  if (existsSync(MPI_COMPILER)) symlinkSync(MPI_COMPILER, join(bin, "cc"));
}

function sshConfig(dir: string, { port }: OtpSite): string {
  const file = join(dir, "ssh_config");
  const lines = [
    "HostName 127.0.0.1",
    `Port ${port}`,
    "IdentityFile none",
    "IdentityAgent none",
    `UserKnownHostsFile ${join(dir, "known_hosts")}`,
    "GlobalKnownHostsFile /dev/null",
  ];
  writeFileSync(file, `Host h2ologin.stand-in\n${lines.map((line) => `  ${line}\n`).join("")}`);
  return file;
}

/** Those on this machine, if they were left behind. */
function endAgents(dir: string): void {
  for (const pid of processesUnder(join(dir, "state"), "pid")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** A home of its own, so that nothing is remembered of a site that is gone. */
function environment(dir: string, { url, token }: Stack): NodeJS.ProcessEnv {
  const own = { XDG_CONFIG_HOME: join(dir, "config"), XDG_STATE_HOME: join(dir, "state") };
  return { ...process.env, ...own, FARCALL_URL: url, FARCALL_TOKEN: token };
}
