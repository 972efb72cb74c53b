/** The provider suite on the stand-in for Torque. */
import { createStandIn } from "../../support/stand-ins/stand-in.ts";
import { providerConformance } from "./conformance.ts";
import type { Site } from "./site.ts";

providerConformance(
  "a stand-in for Torque",
  async (): Promise<Site> => {
    const standIn = createStandIn({ kind: "torque" });
    return {
      config: { type: "torque", binDir: standIn.bin, nodeType: "xe" },
      standIn,
      commands: { submit: "qsub", list: "qstat", cancel: "qdel" },
      stop: standIn.stop,
    };
  },
  { withFaults: true },
);
