import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { displayWidth, plain } from "../../cli/output/text.ts";
import { findOnPath, run } from "../../deploy/command.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";

const bin = new URL("../../bin/farcall.mjs", import.meta.url).pathname;
/** `script` of util-linux gives a command a terminal. */
const script = await findOnPath("script", process.env);

let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
  const up = await home.run(["up", "--detach"]);
  if (up.code !== 0) throw new Error(`farcall up: ${up.stderr}`);
  await writeFile(join(home.dir, "a-function-with-a-long-name.mjs"), "export const doubleEverything = (x) => 2 * x;\n");
  await writeFile(join(home.dir, "items.jsonl"), Array.from({ length: 300 }, (_, i) => `${i}\n`).join(""));
});
afterAll(() => home.remove());

/** What a command writes to a terminal of that many columns. */
function onTerminal(args: string, options: { columns: number; env?: Record<string, string> }): Promise<string> {
  const { NO_COLOR: _, ...env } = home.env;
  const line = `stty cols ${options.columns}; '${process.execPath}' '${bin}' ${args}`;
  const settings = { timeoutMs: 60_000, cwd: home.dir, env: { ...env, TERM: "xterm", ...options.env } };
  return run(script as string, ["-qec", line, "/dev/null"], settings);
}

describe.runIf(script)("on a terminal", { timeout: 90_000 }, () => {
  const map = "map --js a-function-with-a-long-name.mjs:doubleEverything items.jsonl";

  it("a map shows its progress and ends with a summary", async () => {
    const text = await onTerminal(`${map} > out.jsonl`, { columns: 100 });
    expect(text).toMatch(/[█░]{24} [\d,]+ of 300/);
    expect(text).toMatch(/300 done in \d/);
  });

  it("a map's progress is out of the way of each result", async () => {
    const text = await onTerminal(map, { columns: 100 });
    const results = text.split("\n").filter((line) => line.includes('"index"'));
    expect(results).toHaveLength(300);
    expect(text).toMatch(/of 300/);
    for (const line of results) expect(line.trimEnd()).toMatch(/^([\s\S]*\x1b\[K)?\{"index":\d+,"value":\d+\}$/);
  });

  it("without a terminal it shows none", async () => {
    const [command, ...args] = map.split(" ") as [string, ...string[]];
    expect((await home.run([command, ...args])).stderr).toBe("");
  });

  it.each([40, 60, 80, 120])("tables fit %d columns", async (columns) => {
    for (const command of ["tasks ls -n 5", "functions ls", "status", "endpoint list"]) {
      const lines = plain(await onTerminal(command, { columns })).split("\n");
      const table = lines.filter((line) => !/^(up|gateway|tasks|there)\b/.test(line));
      expect(
        table.find((line) => /^(ID|NAME|PART)( |$)/.test(line)),
        command,
      ).toBeDefined();
      expect(table.length, command).toBeGreaterThan(1);
      for (const line of table) expect(displayWidth(line), `${command}: ${line}`).toBeLessThanOrEqual(columns);
    }
  });

  it("colours are shown, but not with NO_COLOR", async () => {
    expect(await onTerminal("tasks ls", { columns: 80 })).toContain("\x1b[1m");
    expect(await onTerminal("tasks ls", { columns: 80, env: { NO_COLOR: "1" } })).not.toContain("\x1b[1m");
  });

  it("output of a task cannot take the terminal over", async () => {
    const text = await onTerminal(`run -- 'printf "\\033]0;owned\\007\\033[2Jhello\\n"'`, { columns: 80 });
    expect(text).toContain("hello");
    expect(text).not.toMatch(/owned|\x1b\[2J/);
  });
});
