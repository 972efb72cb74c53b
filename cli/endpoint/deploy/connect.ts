import type { SshSession } from "../../../deploy/ssh/channels.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import type { CliContext } from "../../context.ts";
import { terminalPrompter } from "./prompter.ts";

/** How a site is reached, as the options say it. */
export type ReachOptions = { via?: string; sshConfig?: string; acceptNewHostKey?: boolean; json?: boolean };

/** Logs in at a site for as long as `work` takes. */
export async function withSession<T>(
  context: CliContext,
  { target, options }: { target: string; options: ReachOptions },
  work: (session: SshSession) => Promise<T>,
): Promise<T> {
  context.terminal.status(`… ${target}`);
  const session = await openSession(target, {
    env: context.env,
    configFile: options.sshConfig,
    jump: options.via,
    prompter: terminalPrompter(context, options),
    acceptNewHostKey: options.acceptNewHostKey ?? false,
    signal: context.signal,
  });
  try {
    return await work(session);
  } finally {
    context.terminal.status("");
    session.close();
    await session.closed;
  }
}
