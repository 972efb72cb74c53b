/** What wants slots, for the scaler. */
import { DEFAULT_RESOURCES, resourceClass } from "../protocol/task.ts";
import type { Interchange } from "./interchange.ts";

/** Tasks that wait at the gateway, tasks that are here, and those on their way back from here, by resource class. */
export function demandOf(
  waiting: Readonly<Record<string, number>>,
  interchange: Pick<Interchange, "classes" | "managers">,
  returning: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const demand: Record<string, number> = { ...waiting };
  for (const { key, unfinished } of interchange.classes.all()) {
    if (unfinished > 0) demand[key] = (demand[key] ?? 0) + unfinished;
  }
  // What was adopted after a restart has no known class; it keeps its block by itself, being there.
  let adopted = 0;
  for (const { draining, tasks } of interchange.managers) {
    for (const { spec } of tasks) {
      // What runs in a block that ends by itself wants no other one.
      if (spec && draining) demand[spec.class.key] = (demand[spec.class.key] ?? 0) - 1;
      else if (!spec && !draining) adopted++;
    }
  }
  for (const [key, count] of Object.entries(returning)) demand[key] = Math.max(demand[key] ?? 0, count);
  const key = resourceClass(DEFAULT_RESOURCES);
  if (adopted > 0) demand[key] = (demand[key] ?? 0) + adopted;
  return demand;
}
