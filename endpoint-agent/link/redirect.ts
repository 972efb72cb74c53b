/** Tells managers of earlier runs where the agent is now: they read their configuration again before each dial. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ManagerConfig, ManagerDial } from "../manager-config.ts";

/** Rewrites `dial` in the managers' configurations of all blocks in `dir`: another port, or another login node. */
export function redirectManagers(dir: string, dial: ManagerDial): void {
  for (const block of list(dir)) {
    for (const name of list(join(dir, block)).filter((each) => /^node-\d+\.json$/.test(each))) {
      const file = join(dir, block, name);
      try {
        const config = JSON.parse(readFileSync(file, "utf8")) as ManagerConfig;
        if (JSON.stringify(config.dial) === JSON.stringify(dial)) continue;
        writeFileSync(`${file}.new`, JSON.stringify({ ...config, dial }), { mode: 0o600 });
        renameSync(`${file}.new`, file);
      } catch {
        // Of a block that is being removed; its managers look where they looked before.
      }
    }
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
