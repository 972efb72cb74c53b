/** What a restart will need is looked at while the old agent still runs: a mistake must not cost it. */
import { wantsPerson } from "../../deploy/ssh/person-door.ts";
import { readConfigFile } from "../../endpoint-agent/config-file.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import type { DriverConfig } from "../../endpoint-agent/provider-config.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import type { LocalEndpoint } from "./directory.ts";

/** Throws what would keep the next agent of an endpoint from starting; nothing was stopped then. */
export async function checkRestart(
  context: CliContext,
  endpoint: LocalEndpoint,
  { json }: { json?: boolean },
): Promise<void> {
  const { config, run } = endpointLayout(endpoint.dir);
  const { driver } = readConfigFile(config);
  // Without an agent nothing can be lost, and at a terminal a person can be asked.
  if (driver.type === "local" || endpoint.pid === undefined || (context.stdin.isTTY === true && !json)) return;
  const why = wantsPerson(run) ? "its agent waits for one" : await whyNoLogin(context, driver);
  if (why === undefined) return;
  throw new ApiError(
    "SSH_LOGIN_REFUSED",
    `a restart would have to log in at ${driver.host}, and could not without a person (${why}); nothing was stopped: ` +
      `\`farcall endpoint restart ${endpoint.name}\` at a terminal asks one`,
  );
}

/** Logs in as the agent would, with nobody to ask. A site that is away is as bad: its next agent would not start. */
async function whyNoLogin(context: CliContext, driver: DriverConfig & { type: "ssh" }): Promise<string | undefined> {
  // SSH is loaded by those who use it.
  const { openSession } = await import("../../deploy/ssh/session.ts");
  const { NOBODY } = await import("../../deploy/ssh/prompter.ts");
  try {
    const session = await openSession(driver.host, {
      env: context.env,
      configFile: driver.configFile,
      jump: driver.via,
      prompter: NOBODY,
      acceptNewHostKey: false,
      signal: context.signal,
    });
    session.close();
    await session.closed;
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "SSH_LOGIN_REFUSED" || error.code === "SSH_HOST_KEY") return error.message;
    throw new ApiError(error.code, `${error.message}; nothing was stopped`, { cause: error });
  }
}
