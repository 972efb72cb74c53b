/** A launcher starts one manager on each node of a block (DESIGN.md section 5, FACTS.md on Cray and others). */
import type { LauncherConfig } from "../provider-config.ts";

export type LaunchRequest = {
  nodes: number;
  coresPerNode: number;
  gpusPerNode: number;
  /** the file that is run on every node: it finds out which node it is on, and becomes that node's manager */
  nodeScript: string;
  /** 0700, the block's own, seen by all its nodes; a launcher may keep a host file there */
  dir: string;
  overrides: readonly string[];
};

/** The argv that the block's script runs; its exit status is the block's. Pure. */
export type Launcher = (request: LaunchRequest) => string[];

/** All launchers by their name in the configuration. */
export type Launchers = Readonly<Record<LauncherConfig["type"], Launcher>>;
