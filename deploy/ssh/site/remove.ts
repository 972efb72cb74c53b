/** Takes away what was put at a site. */
import { ApiError } from "../../../protocol/errors.ts";
import type { SshSession } from "../channels.ts";
import { quote } from "../shell.ts";
import { placesAt } from "./files.ts";
import type { SiteRecord } from "./record.ts";

const REMOVE_MS = 120_000;

/** Stops the agent and removes its directory; with the last endpoint go the agent's files and Node.js. Safe to repeat. */
export async function removeSite(session: SshSession, site: SiteRecord): Promise<void> {
  // Only what this program has put there: a directory that holds the agent's script.
  const { data } = placesAt("$HOME", { name: site.name, base: site.base });
  const folder = site.dir.slice(0, site.dir.lastIndexOf("/"));
  const { code, stdout, stderr } = await session.script(
    `if [ -f ${quote(`${site.dir}/agent.sh`)} ]; then /bin/sh ${quote(`${site.dir}/agent.sh`)} remove || exit; fi
rmdir ${quote(folder)} 2>/dev/null
if [ ! -d ${quote(folder)} ]; then rm -rf ${site.base === undefined ? '"$HOME/.local/share/farcall"' : quote(data)}; fi
exit 0`,
    { timeoutMs: REMOVE_MS },
  );
  if (code === 0) return;
  throw new ApiError("SSH_FAILED", `${session.name}: not everything was removed: ${(stderr || stdout).trim()}`);
}
