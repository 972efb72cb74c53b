/** The provider suite on the stand-ins for Torque, Moab over Torque, and PBS. */
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
