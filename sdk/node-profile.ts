/** The profile file; loaded only in Node, Deno and Bun. */

import { ApiError } from "../protocol/errors.ts";
import type { Profile } from "./options.ts";
import { builtin } from "./runtime.ts";

/** Reads `$XDG_CONFIG_HOME/farcall/profile.json`. An absent file is an empty profile; a damaged one is an error. */
export async function readProfile(env: Record<string, string | undefined>): Promise<Profile> {
  const file = profilePath(env);
  const fs = builtin<typeof import("node:fs/promises")>("node:fs/promises");
  let text: string;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as { code?: string }).code ?? "")) return {};
    throw new ApiError("CONFIG_INVALID", `the profile ${file} cannot be read: ${String(error)}`, { cause: error });
  }
  try {
    const { url, token, endpoint } = JSON.parse(text) as Record<string, unknown>;
    return { ...asText({ url }), ...asText({ token }), ...asText({ endpoint }) };
  } catch (error) {
    throw new ApiError("CONFIG_INVALID", `the profile ${file} is not JSON: ${String(error)}`, { cause: error });
  }
}

/** Where the profile is. */
export function profilePath(env: Record<string, string | undefined>): string {
  const path = builtin<typeof import("node:path")>("node:path");
  const os = builtin<typeof import("node:os")>("node:os");
  const config = env.XDG_CONFIG_HOME || path.join(env.HOME || os.homedir(), ".config");
  return path.join(config, "farcall", "profile.json");
}

function asText(field: Record<string, unknown>): Profile {
  return typeof Object.values(field)[0] === "string" ? (field as Profile) : {};
}
