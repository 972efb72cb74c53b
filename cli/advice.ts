/** What to do next where this machine knows better than the error does. */
import { join } from "node:path";
import { directoriesOf, type Environment } from "../deploy/directories.ts";
import { layoutOf, readJsonFile } from "../deploy/layout.ts";
import { isLocal } from "../deploy/up/profile.ts";
import { findRunning } from "../deploy/up/running.ts";
import { ApiError } from "../protocol/errors.ts";

/** Other parts than the gateway may be unavailable, too. */
const SILENT = /^(the gateway at |no gateway )/;

/** For a gateway that does not answer: that nothing runs here, or where its address comes from. */
export function adviceFor(error: unknown, env: Environment): string | undefined {
  if (!(error instanceof ApiError) || error.code !== "UNAVAILABLE" || !SILENT.test(error.message)) return undefined;
  if (env.FARCALL_URL) return "Check FARCALL_URL, and that the gateway there runs.";
  const directories = directoriesOf(env);
  const file = join(directories.config, "profile.json");
  const { url } = (readJsonFile(file) ?? {}) as { url?: unknown };
  if (typeof url === "string" && !isLocal(url)) return `Check that the gateway runs; its address is from ${file}.`;
  if (findRunning(layoutOf(directories.state))) return undefined;
  return "Nothing runs on this machine: `farcall up --detach` starts it.";
}
