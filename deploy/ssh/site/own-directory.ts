/** Directories at a site that are the user's own: what runs from one of somebody else's would be theirs. */
import { ApiError } from "../../../protocol/errors.ts";
import type { SshSession } from "../channels.ts";

const COMMAND_MS = 60_000;

/**
 * POSIX sh that makes a directory and goes there; `word` is as the shell reads it. Where others may write, as in /tmp, somebody may
 * have made it first, or a link of that name: then it ends.
 */
export function enterOwnDirectory(word: string): string {
  return `umask 077
mine() { [ "$(ls -ldn "$1" | awk '{ print $3 }')" = "$(id -u)" ]; }
mkdir -p ${word} || exit 1
mine ${word} && cd ${word} && mine . || { echo ${word} "is not a directory of your own" >&2; exit 1; }
chmod 700 . || exit 1`;
}

/** Makes one, for its owner alone, with those above it. Throws SITE_UNFIT where it is somebody else's. */
export async function makeOwnDirectory(session: Pick<SshSession, "name" | "exec">, dir: string): Promise<void> {
  const argv = ["/bin/sh", "-c", enterOwnDirectory('"$1"'), "sh", dir];
  const { code, stderr } = await session.exec(argv, { timeoutMs: COMMAND_MS });
  if (code !== 0) throw new ApiError("SITE_UNFIT", `${session.name}: ${stderr.trim() || `${dir} cannot be made`}`);
}
