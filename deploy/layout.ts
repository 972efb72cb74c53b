/** Where the files of one stack are, and how its programs are found. */
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The files of the stack in `dir`. */
export function layoutOf(dir: string) {
  return {
    dir,
    natsDir: join(dir, "nats"),
    gatewayConfig: join(dir, "gateway.yaml"),
    gatewayDir: join(dir, "gateway"),
    adminToken: join(dir, "gateway", "admin-token"),
    endpointDir: (name: string) => join(dir, "endpoints", name),
    logDir: join(dir, "logs"),
    log: (part: string) => join(dir, "logs", `${part}.log`),
    ports: join(dir, "ports.json"),
    running: join(dir, "up.json"),
  };
}
export type Layout = ReturnType<typeof layoutOf>;

// The sources run as they are; the published package holds the same tree as .js.
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** The file of a program, given by its path in the tree without extension: `gateway/main`. */
function programFile(program: string): string {
  return fileURLToPath(new URL(`../${program}${EXTENSION}`, import.meta.url));
}

/**
 * How a program that passes tasks through is started: what follows the path of Node.js. By itself V8 lets the young part of a
 * heap grow to 128 MB on a large machine, most of it garbage; with 16 it is as fast and 80 to 100 MB smaller.
 */
export function programArgs(program: string): string[] {
  return ["--max-semi-space-size=16", programFile(program)];
}

/** Writes a file that only its owner may read, whole or not at all. */
export function writePrivateFile(path: string, text: string): void {
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Reads a JSON file; undefined when it is missing or is no JSON. */
export function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch {
    return undefined;
  }
}
