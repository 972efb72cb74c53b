/** The provider suite on the stand-in for PBS. */
import { createStandIn } from "../../support/stand-ins/stand-in.ts";
import { providerConformance } from "./conformance.ts";
import type { Site } from "./site.ts";

providerConformance(
  "a stand-in for PBS",
  async (): Promise<Site> => {
    const standIn = createStandIn({ kind: "pbs", settings: { killDelayMs: 500 } });
    return {
      config: { type: "pbs", binDir: standIn.bin, account: "abc" },
      standIn,
      commands: { submit: "qsub", list: "qstat", cancel: "qdel" },
      stop: standIn.stop,
    };
  },
  { withFaults: true },
);
