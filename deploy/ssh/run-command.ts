/** A scheduler's commands over an open connection, for `--driver ssh`: as the batch engine runs them on its own machine. */

import type { CommandOutput } from "../../endpoint-agent/provider/batch/dialect.ts";
import { OF_ONE_MACHINE } from "../../endpoint-agent/provider/batch/environment.ts";
import type { RunCommand } from "../../endpoint-agent/provider/batch/run-command.ts";
import { runBounded } from "./bounded.ts";
import type { SshSession } from "./channels.ts";

/** Runs commands where `session` leads; it is asked for each, since a connection that was lost is made again. `own`: of the site. */
export function sshRunCommand(
  session: () => Promise<SshSession>,
  own: Readonly<Record<string, string>> = {},
): RunCommand {
  return async (argv, { input, env, timeoutMs, signal }) => {
    const ended = { code: null, stdout: "" };
    const variables = [
      ...Object.entries(env).filter(([name]) => !OF_ONE_MACHINE.includes(name)),
      ...Object.entries(own),
    ];
    try {
      signal?.throwIfAborted();
      const site = await session();
      const words = ["env", ...variables.map(([name, value]) => `${name}=${value}`), ...argv];
      const running = runBounded(site, words, { stdin: input, timeoutMs }).then((output) => named(argv, output));
      if (!signal) return await running;
      // The connection stays for the others: only the answer is not waited for.
      running.catch(() => {});
      return await Promise.race([running, aborted(signal)]);
    } catch (error) {
      // What was cut short has said nothing: its outcome is unknown, never success.
      return { ...ended, stderr: (error as Error).message };
    }
  };
}

/** As on this machine: what was not found, or has not answered, is said with its name. */
function named(argv: readonly string[], output: CommandOutput): CommandOutput {
  const file = argv[0] as string;
  const at = file.lastIndexOf("/");
  const name = file.slice(at + 1);
  if (output.code === null) return { ...output, stderr: `${name}: ${output.stderr}` };
  if (output.code !== 127 || !/^env: .*No such file/m.test(output.stderr)) return output;
  const where = at > 0 ? `command not found in ${file.slice(0, at)}` : "command not found";
  return { ...output, stderr: `${name}: ${where} at the site` };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("the agent ends")), { once: true });
  });
}
