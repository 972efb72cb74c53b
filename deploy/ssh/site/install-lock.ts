/** One at a time installs at a site: deployments from several machines, and agents that drive it, share one directory. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../../protocol/errors.ts";
import type { SshSession } from "../channels.ts";
import { quote } from "../shell.ts";

export type LockOptions = {
  /** the directory that is installed into */
  dir: string;
  signal: AbortSignal;
  /** Somebody else has it. */
  onWait(): void;
  /** how often it is asked for, and its holder says that it lives; a test has less time */
  waitMs?: number;
  beatMs?: number;
};

const COMMAND_MS = 60_000;
const WAIT_MS = 2_000;
const BEAT_MS = 20_000;
/** A large binary over a slow line. */
const PATIENCE_MS = 30 * 60_000;
/** Minutes after which a holder that says nothing has gone; by the site's own clock. */
const STALE_MINUTES = 2;

/** Works while it holds the lock. One whose holder has gone is taken over: by renaming its token, which only one can. */
export async function withInstallLock<T>(
  session: SshSession,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const token = randomBytes(9).toString("hex");
  const at = `cd ${quote(options.dir)} || exit 1; lock=.install-lock; mine=$lock/${token}`;
  const run = async (script: string) => {
    const { code, stdout, stderr } = await session.script(`${at}\n${script}`, { timeoutMs: COMMAND_MS });
    if (code !== 0) throw new ApiError("SITE_UNFIT", `${session.name}: ${stderr.trim() || "no lock in its directory"}`);
    return stdout.trim();
  };
  await acquire(run, { ...options, name: session.name });
  const ended = new AbortController();
  const beating = beat(() => run('[ ! -e "$mine" ] || touch "$mine"'), options.beatMs ?? BEAT_MS, ended.signal);
  try {
    return await work();
  } finally {
    ended.abort();
    await beating;
    // Where the connection is lost, the next one takes it over.
    await run('rm -f "$mine"; rmdir "$lock" 2>/dev/null; :').catch(() => {});
  }
}

async function acquire(run: (script: string) => Promise<string>, options: LockOptions & { name: string }) {
  const until = performance.now() + PATIENCE_MS;
  for (let told = false; (await run(ACQUIRE)) !== "got"; told = true) {
    if (!told) options.onWait();
    if (performance.now() > until) {
      throw new ApiError(
        "UNAVAILABLE",
        `${options.name}: somebody else has been installing in ${options.dir} for long`,
      );
    }
    await sleep(options.waitMs ?? WAIT_MS, undefined, { signal: options.signal });
  }
}

const ACQUIRE = `umask 077
stale() { find "$1" -prune -mmin +${STALE_MINUTES} 2>/dev/null; }
if mkdir "$lock" 2>/dev/null; then : >"$mine" && echo got; exit; fi
holder=$(ls "$lock" 2>/dev/null | head -n 1)
if [ -z "$holder" ]; then
  [ -z "$(stale "$lock")" ] || rmdir "$lock" 2>/dev/null
elif [ -n "$(stale "$lock/$holder")" ] && mv "$lock/$holder" "$mine" 2>/dev/null; then
  touch "$mine" && echo got
  exit
fi
[ -d "$lock" ] || [ -w . ] || { echo "$PWD cannot be written" >&2; exit 1; }
echo held`;

async function beat(say: () => Promise<unknown>, everyMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) await say().catch(() => {});
  }
}
