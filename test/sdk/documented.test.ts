import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { expect, it } from "vitest";

const index = resolve(import.meta.dirname, "../../sdk/index.ts");

/** The names that a file exports again, with the file that each comes from. */
async function exportsOf(file: string): Promise<[string, string][]> {
  const text = await readFile(file, "utf8");
  return [...text.matchAll(/export (?:type )?\{([^}]*)\} from "([^"]+)"/g)].flatMap(([, names, from]) =>
    (names as string)
      .split(",")
      .map((name) => name.replace(/\btype\b/, "").trim())
      .map((name): [string, string] => [name, join(dirname(file), from as string)]),
  );
}

it("everything that the SDK exports says what it is, with an example", async () => {
  const exported = await exportsOf(index);
  expect(exported.length).toBeGreaterThan(15);
  const missing: string[] = [];
  for (const [name, file] of exported) {
    const text = await readFile(file, "utf8");
    // Errors of the table are the protocol's own, and documented with it.
    if (/export \{[^}]*\}/.test(text) && new RegExp(`export \\{[^}]*\\b${name}\\b`).test(text)) continue;
    const declaration = new RegExp(
      `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n(?:// .*\\n)?export (?:type|interface|class|const|function) ${name}\\b`,
    );
    if (!declaration.exec(text)?.[1]?.includes("@example")) missing.push(name);
  }
  expect(missing).toEqual([]);
});
