/** What every container of a manager is given: where tasks' files, functions and the worker's own program are. */
import { fileURLToPath } from "node:url";
import type { ManagerConfig } from "../manager-config.ts";
import { inContainer } from "./container.ts";
import type { Wrap } from "./pool.ts";

const PROGRAMS = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Wraps commands for one manager. */
export function containersOf({ dir, cacheDir }: Pick<ManagerConfig, "dir" | "cacheDir">): Wrap {
  const dirs = [
    { path: dir, readOnly: false },
    { path: cacheDir, readOnly: true },
    { path: PROGRAMS, readOnly: true },
  ];
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return (container, request) =>
    inContainer(container, {
      ...request,
      user,
      // Ranks on other nodes have nothing of this one's.
      dirs: request.cwd.startsWith(`${dir}/`) ? dirs : [{ path: request.cwd, readOnly: false }],
    });
}
