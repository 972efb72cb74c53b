/** The provider suite on the stand-ins for LSF and Flux. */
import { createStandIn } from "../../support/stand-ins/stand-in.ts";
import { providerConformance } from "./conformance.ts";
import type { Site } from "./site.ts";

providerConformance(
  "a stand-in for LSF",
  async (): Promise<Site> => {
    // It counts walltimes in minutes.
    const settings = { endSignal: "INT", killDelayMs: 500, millisecondsPerMinute: 2_000 };
    const standIn = createStandIn({ kind: "lsf", settings });
    return {
      config: { type: "lsf", binDir: standIn.bin, queue: "short", account: "abc" },
      standIn,
      commands: { submit: "bsub", list: "bjobs", cancel: "bkill" },
      stop: standIn.stop,
    };
  },
  { withFaults: true },
);

providerConformance(
  "a stand-in for Flux",
  async (): Promise<Site> => {
    const standIn = createStandIn({
      kind: "flux",
      commands: ["flux", "flux-batch", "flux-jobs", "flux-cancel"],
      settings: { killDelayMs: 500 },
    });
    return {
      config: { type: "flux", binDir: standIn.bin, queue: "debug", account: "abc" },
      standIn,
      commands: { submit: "flux-batch", list: "flux-jobs", cancel: "flux-cancel" },
      stop: standIn.stop,
    };
  },
  { withFaults: true },
);
