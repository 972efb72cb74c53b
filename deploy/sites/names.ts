import { readdirSync } from "node:fs";

/** The names of the sites that there are files for. */
export function siteNames(): string[] {
  return readdirSync(new URL("./", import.meta.url))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}
