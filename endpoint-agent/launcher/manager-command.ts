/** Starts one manager on this machine, without a launcher. */

export type LaunchOptions = {
  /** starts a manager, but for its options */
  manager: readonly string[];
  configFile: string;
  /** shell lines to run first */
  init: string | undefined;
};

/** The argv that starts a manager. */
export function managerCommand({ manager, configFile, init }: LaunchOptions): string[] {
  const command = [...manager, "--config", configFile];
  if (init === undefined) return command;
  // The command comes as arguments: nothing of it is ever read as shell.
  return ["/bin/sh", "-c", `${init}\nexec "$@"`, "sh", ...command];
}
