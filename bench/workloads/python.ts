/** No-op calls of a Python function. */
import type { Workload } from "../workload.ts";
import { bag } from "./noop.ts";

export const python: Workload = {
  name: "python",
  about: "a bag of 50,000 calls of a Python function that does nothing, two Python workers",
  run: ({ withFarcall, quick }) =>
    withFarcall(async ({ farcall }) => {
      const nothing = farcall.python<() => null>("def nothing():\n    return None\n");
      await bag(nothing, 1_000);
      return { python_tasks_per_s: await bag(nothing, quick ? 5_000 : 50_000) };
    }),
};
