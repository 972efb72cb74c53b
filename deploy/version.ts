/** The version of this package. */
import { existsSync, readFileSync } from "node:fs";

/** As package.json says, which lies above the sources and, in the published package, above dist/. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const places = ["../package.json", "../../package.json"].map((place) => new URL(place, import.meta.url));
  const file = places.find((place) => existsSync(place));
  return file ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : "0.0.0";
}
