/**
 * A browser can be made to send requests to a loopback server under a foreign name (DNS rebinding). A gateway on loopback
 * therefore answers only to names that are its own; and any gateway refuses foreign origins, as nothing of it is public.
 */
import { ApiError } from "../../protocol/errors.ts";

/** Throws FORBIDDEN for a Host or an Origin that is not to be answered. */
export type HostCheck = (host: string | undefined, origin: string | undefined) => void;

/** Whether an address is of this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Makes the check: `allowedHosts` beside the loopback names (checked on loopback only), `origins` beside the gateway's own. */
export function createHostCheck(options: {
  loopback: boolean;
  allowedHosts: readonly string[];
  origins: readonly string[];
}): HostCheck {
  const allowed = new Set(options.allowedHosts.map((host) => host.toLowerCase()));
  const origins = new Set(options.origins);
  let lastGood: string | undefined;
  return (host, origin) => {
    if (origin !== undefined && !origins.has(origin) && !isSameOrigin(origin, host)) {
      throw new ApiError("FORBIDDEN", "requests from web pages of another origin are refused", { details: { origin } });
    }
    if (!options.loopback || host === undefined || host === lastGood) return;
    const name = host.replace(/:\d+$/, "").toLowerCase();
    if (!isLoopback(name) && !allowed.has(name)) {
      throw new ApiError(
        "FORBIDDEN",
        `this gateway does not answer to the name ${JSON.stringify(name.slice(0, 100))}`,
        {
          details: { field: "Host" },
        },
      );
    }
    lastGood = host;
  };
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}
