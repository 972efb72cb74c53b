/** Commands at a site that end there when their time is over, whether or not anybody is still connected. */
import type { CommandOutput } from "../../endpoint-agent/provider/batch/dialect.ts";
import type { SshSession } from "./channels.ts";

/**
 * sshd ends no command whose channel is closed: one that hangs would stay on the login node, and the next one beside it. `timeout`
 * makes a process group and ends all of it; without one, an alarm ends the command alone.
 */
const BOUND = `seconds=$1; shift
if command -v timeout >/dev/null 2>&1; then exec timeout -s KILL "$seconds" "$@"; fi
if command -v perl >/dev/null 2>&1; then exec perl -e 'alarm 1 + int shift; exec @ARGV or exit 127' "$seconds" "$@"; fi
exec "$@"`;
/** The answer's own way. */
const GRACE_MS = 5_000;
/** 128 + SIGKILL, 128 + SIGALRM. */
const ENDED = new Set([137, 142]);

export type BoundedOptions = { stdin?: string | AsyncIterable<Uint8Array>; timeoutMs: number };

/** Runs a program. Its code is null when its time was over; rejects when the connection does not carry it. */
export async function runBounded(
  session: Pick<SshSession, "exec" | "feed">,
  argv: readonly string[],
  { stdin = "", timeoutMs }: BoundedOptions,
): Promise<CommandOutput> {
  const words = ["/bin/sh", "-c", BOUND, "sh", String(timeoutMs / 1_000), ...argv];
  const startedAt = performance.now();
  const options = { timeoutMs: timeoutMs + GRACE_MS };
  const output =
    typeof stdin === "string"
      ? await session.exec(words, { ...options, stdin })
      : await session.feed(words, stdin, options);
  const late = performance.now() - startedAt >= timeoutMs && ENDED.has(output.code ?? 0);
  if (!late) return output;
  const stderr = [`no answer within ${timeoutMs / 1_000} s`, output.stderr.trim()].filter(Boolean).join("; ");
  // What was cut short is not to be read.
  return { code: null, stdout: "", stderr };
}

/** Runs a script of POSIX sh, whose standard input is empty. */
export function scriptBounded(
  session: Pick<SshSession, "exec" | "feed">,
  text: string,
  options: { timeoutMs: number },
): Promise<CommandOutput> {
  return runBounded(session, ["/bin/sh"], { ...options, stdin: `{ ${text}\n} </dev/null\n` });
}
