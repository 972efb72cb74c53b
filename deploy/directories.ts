/** Where Farcall keeps its files: the XDG base directories. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

export type Directories = {
  /** the profile */
  config: string;
  /** database, endpoints, logs */
  state: string;
  /** what can be fetched again */
  cache: string;
};

/** Farcall's directories for this environment; nothing is created. */
export function directoriesOf(env: Environment): Directories {
  const home = env.HOME || homedir();
  return {
    config: join(env.XDG_CONFIG_HOME || join(home, ".config"), "farcall"),
    state: join(env.XDG_STATE_HOME || join(home, ".local", "state"), "farcall"),
    cache: join(env.XDG_CACHE_HOME || join(home, ".cache"), "farcall"),
  };
}

/** Makes a directory, and those above it, that nobody else may read. */
export function makePrivateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
