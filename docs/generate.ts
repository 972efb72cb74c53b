/**
 * Writes the pages of docs/ that are made from code: `npm run docs`. `npm run docs -- --check` writes nothing and fails
 * when a page differs, which a test does as well.
 */
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { PAGES } from "./generators/pages.ts";

/** The generated pages whose file differs from what the code says, by name. */
export async function stalePages(): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, page] of Object.entries(PAGES)) {
    const written = await readFile(new URL(name, import.meta.url), "utf8").catch(() => "");
    if (written !== (await page())) stale.push(name);
  }
  return stale;
}

/** Writes every generated page. */
export async function writePages(): Promise<void> {
  for (const [name, page] of Object.entries(PAGES)) await writeFile(new URL(name, import.meta.url), await page());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (process.argv.includes("--check")) {
    const stale = await stalePages();
    if (stale.length > 0) console.error(`Not what the code says: ${stale.join(", ")}. Run npm run docs.`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    await writePages();
  }
}
