/** The provider suite on a real Grid Engine. */
import { describe } from "vitest";
import { providerConformance } from "../../endpoint-agent/provider/conformance.ts";
import { startSge, whyNoSge } from "../../support/sge/sge.ts";

const missing = whyNoSge();

describe.skipIf(missing)(`Grid Engine${missing ? ` (${missing})` : ""}`, () => {
  providerConformance(
    "a real Grid Engine",
    async () => {
      const sge = await startSge();
      return {
        config: { type: "sge", parallelEnvironment: "smp" },
        env: sge.env,
        // It looks for what has exceeded its limits every few seconds.
        walltimeMs: 3_000,
        stop: sge.stop,
      };
    },
    { withFaults: false },
  );
});
