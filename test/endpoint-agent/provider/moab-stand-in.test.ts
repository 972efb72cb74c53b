/** The provider suite on the stand-in for Moab over Torque. */
import { createStandIn } from "../../support/stand-ins/stand-in.ts";
import { providerConformance } from "./conformance.ts";
import type { Site } from "./site.ts";

providerConformance(
  "a stand-in for Moab over Torque",
  async (): Promise<Site> => {
    const standIn = createStandIn({ kind: "torque", settings: { moabPrefix: "Moab.", validateNodes: false } });
    return {
      config: { type: "moab", binDir: standIn.bin },
      standIn,
      commands: { submit: "msub", list: "showq", cancel: "canceljob" },
      stop: standIn.stop,
    };
  },
  { withFaults: true },
);
