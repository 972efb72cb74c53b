/** The suite of all providers on a real Slurm. */
import { describe } from "vitest";
import { providerConformance } from "../../endpoint-agent/provider/conformance.ts";
import { startSlurm, whyNoSlurm } from "../../support/slurm.ts";

const missing = whyNoSlurm();

describe.skipIf(missing)(`a real Slurm${missing ? ` (${missing})` : ""}`, () => {
  providerConformance(
    "a real Slurm",
    async () => {
      const slurm = await startSlurm();
      return {
        config: { type: "slurm" },
        env: slurm.env,
        // The shortest is a minute, noticed up to half a minute later.
        walltimeMs: null,
        timing: { intervalMs: 500, minIntervalMs: 500 },
        stop: slurm.stop,
      };
    },
    { withFaults: false },
  );
});
