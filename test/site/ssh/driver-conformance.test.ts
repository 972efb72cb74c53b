/** The suite of all providers over driver: ssh, at a real sshd: every scheduler that has a stand-in, and the real ones. */
import { userInfo } from "node:os";
import { afterAll, beforeAll, describe } from "vitest";
import { createTransfer } from "../../../deploy/ssh/block-transfer.ts";
import { sshRunCommand } from "../../../deploy/ssh/run-command.ts";
import { type LoginSession, openSession } from "../../../deploy/ssh/session.ts";
import { providerConformance } from "../../endpoint-agent/provider/conformance.ts";
import type { Site } from "../../endpoint-agent/provider/site.ts";
import { startHtcondor, whyNoHtcondor } from "../../support/htcondor/htcondor.ts";
import { startSge, whyNoSge } from "../../support/sge/sge.ts";
import { startSlurm, whyNoSlurm } from "../../support/slurm.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";
import { createStandIn, type StandInOptions } from "../../support/stand-ins/stand-in.ts";

type Case = Pick<Site, "config" | "commands" | "walltimeMs"> & { standIn: StandInOptions };

const STAND_INS: Record<string, Case> = {
  torque: {
    standIn: { kind: "torque" },
    config: { type: "torque", nodeType: "xe" },
    commands: { submit: "qsub", list: "qstat", cancel: "qdel" },
  },
  moab: {
    standIn: { kind: "torque", settings: { moabPrefix: "Moab.", validateNodes: false } },
    config: { type: "moab" },
    commands: { submit: "msub", list: "showq", cancel: "canceljob" },
  },
  pbs: {
    standIn: { kind: "pbs", settings: { killDelayMs: 500 } },
    config: { type: "pbs", account: "abc" },
    commands: { submit: "qsub", list: "qstat", cancel: "qdel" },
  },
  slurm: {
    standIn: { kind: "slurm", settings: { killWaitMs: 1_000 } },
    config: { type: "slurm" },
    commands: { submit: "sbatch", list: "squeue", cancel: "scancel" },
    // A minute is the shortest.
    walltimeMs: null,
  },
  lsf: {
    standIn: { kind: "lsf", settings: { endSignal: "INT", killDelayMs: 500, millisecondsPerMinute: 2_000 } },
    config: { type: "lsf", queue: "short", account: "abc" },
    commands: { submit: "bsub", list: "bjobs", cancel: "bkill" },
  },
  flux: {
    standIn: {
      kind: "flux",
      commands: ["flux", "flux-batch", "flux-jobs", "flux-cancel"],
      settings: { killDelayMs: 500 },
    },
    config: { type: "flux", queue: "debug", account: "abc" },
    commands: { submit: "flux-batch", list: "flux-jobs", cancel: "flux-cancel" },
  },
};

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("over driver: ssh", () => {
  let sshd: TestSshd & AsyncDisposable;
  let session: LoginSession;
  beforeAll(async () => {
    sshd = await startSshd();
    session = await openSession("site", {
      env: process.env,
      configFile: clientConfig({ site: sshd }),
      prompter: { ask: () => Promise.reject(new Error("nobody")), show() {} },
      acceptNewHostKey: false,
      signal: new AbortController().signal,
    });
  });
  afterAll(async () => {
    session?.close();
    await session?.closed;
    await sshd?.[Symbol.asyncDispose]();
  });
  /** `path`: of logins there. */
  const drive =
    (path = process.env.PATH as string): NonNullable<Site["drive"]> =>
    (layout, places) => {
      const current = async () => session;
      return {
        ...createTransfer({ session: current, layout, places }),
        user: userInfo().username,
        nodeManager: undefined,
        places,
        run: sshRunCommand(current, { PATH: path }),
        connected: true,
        trouble: null,
        ready: async () => {},
        door: async (dial) => dial,
        close: async () => {},
      };
    };

  for (const [name, { standIn: options, config, commands, walltimeMs }] of Object.entries(STAND_INS)) {
    providerConformance(
      `a stand-in for ${name}`,
      async () => {
        const standIn = createStandIn(options);
        return {
          config: { ...config, binDir: standIn.bin },
          standIn,
          ...(commands ? { commands } : {}),
          ...(walltimeMs === undefined ? {} : { walltimeMs }),
          drive: drive(),
          stop: standIn.stop,
        };
      },
      { withFaults: true },
    );
  }

  describe.skipIf(whyNoSlurm())("a real Slurm", () => {
    providerConformance(
      "a real Slurm",
      async () => {
        const { env, stop } = await startSlurm();
        const timing = { intervalMs: 500, minIntervalMs: 500 };
        return { config: { type: "slurm" }, env, walltimeMs: null, timing, drive: drive(env.PATH), stop };
      },
      { withFaults: false },
    );
  });
  describe.skipIf(whyNoSge())("a real Grid Engine", () => {
    providerConformance(
      "a real Grid Engine",
      async () => {
        const { env, stop } = await startSge();
        const config = { type: "sge" as const, parallelEnvironment: "smp" };
        return { config, env, walltimeMs: 3_000, drive: drive(env.PATH), stop };
      },
      { withFaults: false },
    );
  });
  describe.skipIf(whyNoHtcondor())("a real HTCondor", () => {
    providerConformance(
      "a real HTCondor",
      async () => {
        const { bin, stop } = await startHtcondor();
        return { config: { type: "htcondor", binDir: bin }, walltimeMs: 3_000, drive: drive(), stop };
      },
      { withFaults: false },
    );
  });
});
