/** The version of the package that this gateway is part of. */
import { readFile } from "node:fs/promises";

/** Reads it from the package's own package.json: beside the sources, or one above the built files. */
export async function readVersion(): Promise<string> {
  for (const place of ["../package.json", "../../package.json"]) {
    const text = await readFile(new URL(place, import.meta.url), "utf8").catch(() => undefined);
    const { name, version } = (text === undefined ? {} : JSON.parse(text)) as { name?: string; version?: string };
    if (name === "farcall" && version !== undefined) return version;
  }
  return "unknown";
}
