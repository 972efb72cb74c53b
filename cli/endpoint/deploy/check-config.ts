/** The configuration of an endpoint at its site, checked before the agent that runs there is stopped for it. */
import type { SshSession } from "../../../deploy/ssh/channels.ts";
import { must } from "../../../deploy/ssh/site/upload.ts";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";
import { ApiError } from "../../../protocol/errors.ts";

/** Throws CONFIG_INVALID with every mistake in the `config.yaml` of a directory there. */
export async function checkConfigAt(session: SshSession, dir: string): Promise<void> {
  const path = `${dir}/config.yaml`;
  const parsed = parseConfig(await must(session, ["cat", path]));
  if ("config" in parsed) return;
  const lines = parsed.mistakes.map(
    ({ line, column, field, value, expected }) =>
      `${path}:${line}:${column}: ${field} is ${value}; expected ${expected}`,
  );
  throw new ApiError("CONFIG_INVALID", `${session.name}: nothing was stopped: ${lines.join("\n")}`, {
    details: { path, mistakes: parsed.mistakes },
  });
}
