import { readRecord, type SiteRecord } from "../../../deploy/ssh/site/record.ts";
import { ApiError } from "../../../protocol/errors.ts";
import type { CliContext } from "../../context.ts";
import { localEndpoints } from "../directory.ts";

/** The endpoint of a name as it was deployed from here, with what can be done to it; undefined for one of this machine. */
export async function deployed(context: CliContext, name: string) {
  const site = siteOf(context, name);
  // SSH is loaded by those who use it.
  return site && { site, ...(await import("./manage.ts")) };
}

/** The same. Throws ENDPOINT_UNKNOWN when it was not deployed from here. */
export async function mustBeDeployed(context: CliContext, name: string) {
  const there = await deployed(context, name);
  if (there) return there;
  throw new ApiError(
    "ENDPOINT_UNKNOWN",
    `no endpoint "${name}" was deployed from this machine; \`farcall endpoint deploy\` does that`,
  );
}

/** What is remembered of it. */
export function siteOf(context: CliContext, name: string): SiteRecord | undefined {
  if (localEndpoints(context.env).some((endpoint) => endpoint.name === name)) return undefined;
  return readRecord(context.env, name);
}
