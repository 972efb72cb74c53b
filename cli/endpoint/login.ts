/** Logs in at a site for an agent that drives it: what its login node asks comes to this terminal. */
import { forgetPerson, logInFor, wantsPerson, whyPersonIsWanted } from "../../deploy/ssh/person-door.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { terminalPrompter } from "./deploy/prompter.ts";
import { type LocalEndpoint, localEndpoint } from "./directory.ts";

/** `farcall endpoint login`. An agent that waits for nobody is fine. */
export async function loginEndpoint(context: CliContext, name: string, options: { json?: boolean }): Promise<void> {
  const endpoint = localEndpoint(context.env, name);
  const { run } = endpointLayout(endpoint.dir);
  if (endpoint.pid === undefined) {
    throw new ApiError(
      "ENDPOINT_OFFLINE",
      `no agent of ${name} runs here; \`farcall endpoint start ${name}\` logs in as well`,
    );
  }
  const said = wantsPerson(run)
    ? await logInFor(run, { prompter: terminalPrompter(context, options), signal: context.signal })
    : undefined;
  if (options.json) return context.terminal.json({ name, state: said === undefined ? "not-needed" : "logged-in" });
  context.terminal.line(said ?? `the agent of ${name} waits for no login`);
}

/** Whether the agent of an endpoint waits for somebody who logs in. */
export function awaitsLogin(endpoint: LocalEndpoint): boolean {
  return wantsPerson(endpointLayout(endpoint.dir).run);
}

/** What an agent that was killed has left does not mean that it waits. */
export function forgetLogin(endpoint: LocalEndpoint): void {
  forgetPerson(endpointLayout(endpoint.dir).run);
}

/** Logs in for an agent that is just starting. */
export async function logInWhileStarting(
  context: CliContext,
  endpoint: LocalEndpoint,
  options: { json?: boolean },
): Promise<void> {
  const { run } = endpointLayout(endpoint.dir);
  if (context.stdin.isTTY !== true || options.json) {
    const how = `\`farcall endpoint start ${endpoint.name}\` at a terminal lets one`;
    const why = whyPersonIsWanted(run);
    throw new ApiError(
      "SSH_LOGIN_REFUSED",
      `a person has to log in at the site, and there is no terminal to ask on: ${how}${why && ` (${why})`}`,
    );
  }
  context.terminal.note(await logInFor(run, { prompter: terminalPrompter(context, options), signal: context.signal }));
}
