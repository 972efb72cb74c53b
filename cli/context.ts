/** What every command is given. */
import type { Environment } from "../deploy/directories.ts";
import type { Farcall } from "../sdk/index.ts";
import type { Terminal } from "./output/terminal.ts";

export type CliContext = {
  env: Environment;
  terminal: Terminal;
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  /** aborts at Ctrl-C and SIGTERM */
  signal: AbortSignal;
  /** What a second Ctrl-C does before the process ends at once. */
  onForce(action: () => Promise<unknown>): void;
  /** The SDK's client for this environment, made at the first call and closed at the end. */
  connect(): Promise<Farcall>;
  /** The exit code, when it is not 0. */
  exit(code: number): void;
};
