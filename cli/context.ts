/** What every command is given. */
import type { Environment } from "../deploy/directories.ts";
import type { Farcall, FarcallOptions } from "../sdk/index.ts";
import type { Terminal } from "./output/terminal.ts";

export type CliContext = {
  env: Environment;
  terminal: Terminal;
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  /** aborts at Ctrl-C and SIGTERM */
  signal: AbortSignal;
  /** What a second Ctrl-C does before the process ends at once. */
  onForce(action: () => Promise<unknown>): void;
  /** The SDK's client for this environment, made at the first call, whose options it takes, and closed at the end. */
  connect(options?: Pick<FarcallOptions, "retryForMs" | "onOutage">): Promise<Farcall>;
  /** The exit code, when it is not 0. */
  exit(code: number): void;
};
