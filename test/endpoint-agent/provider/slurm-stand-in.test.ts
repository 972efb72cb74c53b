/** The suite of all providers on the stand-in for Slurm. The same suite runs on the real one: test/site/slurm. */
import { createStandIn } from "../../support/stand-ins/stand-in.ts";
import { providerConformance } from "./conformance.ts";

providerConformance(
  "a stand-in for Slurm",
  async () => {
    const standIn = createStandIn({ kind: "slurm", settings: { killWaitMs: 1_000 } });
    return {
      config: { type: "slurm", binDir: standIn.bin },
      standIn,
      commands: { submit: "sbatch", list: "squeue", cancel: "scancel" },
      // A minute is the shortest.
      walltimeMs: null,
      stop: () => standIn.stop(),
    };
  },
  { withFaults: true },
);
