/** Keeps a cache of files within its size: what was used longest ago goes first. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** Removes the files used longest ago until the rest is within `maxBytes`; returns how many bytes are left. */
export async function trimCache(dir: string, maxBytes: number): Promise<number> {
  const files: { path: string; size: number; usedAt: number }[] = [];
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    const known = await stat(path).catch(() => undefined);
    if (known?.isFile()) files.push({ path, size: known.size, usedAt: known.mtimeMs });
  }
  files.sort((a, b) => a.usedAt - b.usedAt);
  let left = files.reduce((sum, file) => sum + file.size, 0);
  for (const { path, size } of files) {
    if (left <= maxBytes) break;
    await rm(path, { force: true });
    left -= size;
  }
  return left;
}
