/** Writes the profile that the SDK and the CLI read when nothing else says where the gateway is. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { makePrivateDirectory } from "../directories.ts";
import { readJsonFile, writePrivateFile } from "../layout.ts";

export type Profile = { url: string; token: string; endpoint?: string };

/**
 * Writes the profile. One that names another machine's gateway is kept beside it; its path is returned. The endpoint that the
 * user chose stays while the gateway is the same, unless `isIdle` says that it is one of this machine which nobody runs.
 */
export function writeProfile(
  configDir: string,
  profile: Profile,
  isIdle: (endpoint: string) => boolean,
): { path: string; kept: string | null } {
  const path = join(makePrivateDirectory(configDir), "profile.json");
  const old = readJsonFile(path) as Partial<Profile> | undefined;
  const kept = typeof old?.url === "string" && !isLocal(old.url) ? `${path}.before-up` : null;
  if (kept) copyFileSync(path, kept);
  const chosen = old?.url === profile.url ? old.endpoint : undefined;
  const endpoint = chosen && !isIdle(chosen) ? chosen : profile.endpoint;
  writePrivateFile(path, `${JSON.stringify({ ...profile, ...(endpoint ? { endpoint } : {}) }, null, 2)}\n`);
  return { path, kept };
}

/** Whether a gateway's address is on this machine. */
export function isLocal(url: string): boolean {
  return URL.canParse(url) && ["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname);
}
