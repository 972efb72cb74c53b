/** Runs one peer: a Python program of this folder that prints its measurements as one JSON line. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { activated } from "./environment.ts";

/** The size of the workloads, for everybody the same. */
export type Sizes = { workers: number; tasks: number; sequential: number; payloads: number; payloadBytes: number };

/** What is measured of each system. */
export type PeerResult = { tasks_per_s: number; p50_ms: number; p99_ms: number; payload100k_tasks_per_s: number };

export type PeerOptions = { environment: string; sizes: Sizes; tuned?: boolean; signal: AbortSignal };

/** Starts `program` (a file of this folder), waits for its end and reads its result. */
export async function runPeer(program: string, options: PeerOptions): Promise<PeerResult> {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const directory = mkdtempSync(join(tmpdir(), "farcall-peer-"));
  const args = [file, JSON.stringify({ ...options.sizes, tuned: options.tuned ?? false, directory })];
  // a process group of its own, so that what it started ends with it
  const child = spawn(join(options.environment, "bin", "python"), args, {
    env: activated(options.environment, dirname(file)),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const endGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // nobody of the group is left
    }
  };
  options.signal.addEventListener("abort", endGroup, { once: true });
  try {
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] = (output[name] + text).slice(-100_000);
      });
    }
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    const line = output.stdout.split("\n").findLast((text) => text.startsWith("{"));
    if (code !== 0 || line === undefined)
      throw new Error(`${program} ended with ${code}:\n${output.stderr.slice(-4000)}`);
    return JSON.parse(line) as PeerResult;
  } finally {
    options.signal.removeEventListener("abort", endGroup);
    endGroup();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
