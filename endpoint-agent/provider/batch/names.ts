/** Names of batch jobs: short enough for the oldest scheduler, the same for a block for ever, and found by their beginning. */
import { createHash } from "node:crypto";
import type { JobId } from "../port.ts";

/** From this length on a name says whose it is. */
const ROOMY = 26;

/** How the names of all of an endpoint's jobs begin. */
export function namePrefix(endpoint: string, nameLength: number): string {
  return nameLength >= ROOMY ? `farcall-${digest(endpoint, 5)}-` : `fc${digest(endpoint, 4)}`;
}

/** A block's job name: letters, digits and dashes, a letter first. */
export function jobName(endpoint: string, block: string, nameLength: number): string {
  const prefix = namePrefix(endpoint, nameLength);
  return prefix + digest(block, Math.min(12, nameLength - prefix.length));
}

/** What the engine calls a job: the scheduler's id and the block, as ids come around again (FAULTS.md B13). */
export function formatJobId(id: string, block: string): JobId {
  return `${id}/${block}`;
}

/** The other way round. */
export function parseJobId(job: JobId): { id: string; block: string } {
  const slash = job.lastIndexOf("/");
  return { id: job.slice(0, slash), block: job.slice(slash + 1) };
}

function digest(text: string, length: number): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return BigInt(`0x${hex}`).toString(36).slice(-length).padStart(length, "0");
}
