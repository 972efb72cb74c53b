/** The provider suite on a real HTCondor. */
import { describe } from "vitest";
import { providerConformance } from "../../endpoint-agent/provider/conformance.ts";
import { startHtcondor, whyNoHtcondor } from "../../support/htcondor/htcondor.ts";

const missing = whyNoHtcondor();

describe.skipIf(missing)(`HTCondor${missing ? ` (${missing})` : ""}`, () => {
  providerConformance(
    "a real HTCondor",
    async () => {
      const htcondor = await startHtcondor();
      return {
        config: { type: "htcondor", binDir: htcondor.bin },
        walltimeMs: 3_000,
        stop: htcondor.stop,
      };
    },
    { withFaults: false },
  );
});
