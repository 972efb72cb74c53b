/** The suite of all providers on the stand-in for Slurm. The same suite runs on the real one: test/site/slurm. */
import { createStandIn } from "../../support/stand-ins/stand-in.ts";
import { providerConformance } from "./conformance.ts";

providerConformance(
  "a stand-in for Slurm",
  async () => {
    // A minute of walltime takes three seconds.
    const standIn = createStandIn({ kind: "slurm", settings: { minuteMs: 3_000, killWaitMs: 1_000 } });
    return {
      config: { type: "slurm", binDir: standIn.bin },
      standIn,
      commands: { submit: "sbatch", list: "squeue", cancel: "scancel" },
      walltimeMs: 60_000,
      stop: () => standIn.stop(),
    };
  },
  { withFaults: true },
);
