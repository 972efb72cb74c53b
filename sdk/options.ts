/** Where the gateway is and who we are: options, else the environment, else the profile that `farcall up` wrote. */
import { ApiError } from "../protocol/errors.ts";
import { environment, isNodeLike } from "./runtime.ts";

/**
 * How a client finds and talks to its gateway. Everything is optional after `farcall up`.
 *
 * @example
 * const farcall = new Farcall({ url: "https://farcall.example.org", token: "…", endpoint: "cluster" });
 */
export type FarcallOptions = {
  /** the gateway's address; else FARCALL_URL, else the profile's */
  url?: string;
  /** a bearer token; else FARCALL_TOKEN, else the profile's if the address is the profile's too */
  token?: string;
  /** where calls go that name no endpoint; else FARCALL_ENDPOINT, else the profile's */
  endpoint?: string;
  /** closes the client when it aborts */
  signal?: AbortSignal;
  /** the fetch to use, instead of the runtime's own or Node's http */
  fetch?: typeof fetch;
  /** how long a request is repeated while the gateway cannot be reached or says "later"; 5 minutes */
  retryForMs?: number;
  /** the same as long as the gateway was never reached; 10 seconds */
  connectForMs?: number;
  /** told of every try that got no answer while the gateway is away, and once with undefined when it answers again */
  onOutage?: (outage: Outage | undefined) => void;
  /** submits under way at a time; 4 */
  maxSubmits?: number;
};

/**
 * A gateway that does not answer: since when, and how the last try failed.
 *
 * @example
 * new Farcall({ onOutage: (outage) => console.error(outage ? `no gateway: ${outage.why}` : "it is back") });
 */
export type Outage = { url: string; forMs: number; why: string };

export type Connection = { url: string; token: string | undefined; endpoint: string | undefined };
export type Profile = { url?: string; token?: string; endpoint?: string };

/** Merges the three sources. A profile's token is never sent to another address than the profile's own. */
export function mergeConnection(
  options: FarcallOptions,
  env: Record<string, string | undefined>,
  profile: Profile,
): Connection {
  const url = options.url || env.FARCALL_URL || profile.url;
  if (!url) {
    throw new ApiError(
      "CONFIG_INVALID",
      "no gateway is known: no url option, no FARCALL_URL, and no profile; `farcall up` starts one and writes the profile",
    );
  }
  const trimmed = checkedUrl(url);
  const ofProfile = profile.url !== undefined && checkedUrl(profile.url) === trimmed ? profile : {};
  return {
    url: trimmed,
    token: options.token || env.FARCALL_TOKEN || ofProfile.token,
    endpoint: options.endpoint || env.FARCALL_ENDPOINT || ofProfile.endpoint,
  };
}

/** Resolves the connection; reads the profile file only where there can be one and only if something is missing. */
export async function resolveConnection(options: FarcallOptions): Promise<Connection> {
  const env = environment();
  const complete = (options.url || env.FARCALL_URL) && (options.token || env.FARCALL_TOKEN);
  const wantsProfile = isNodeLike() && !(complete && (options.endpoint || env.FARCALL_ENDPOINT));
  const profile = wantsProfile ? await (await import("./node-profile.ts")).readProfile(env) : {};
  return mergeConnection(options, env, profile);
}

function checkedUrl(url: string): string {
  if (!/^https?:\/\/[^\s]+$/.test(url)) {
    throw new ApiError("CONFIG_INVALID", `the gateway's url is ${JSON.stringify(url)}; expected http:// or https://`);
  }
  return url.replace(/\/+$/, "");
}
