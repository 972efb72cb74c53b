import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT, read } from "../support/repository.ts";
import { startStack, type TestStack } from "../support/stack.ts";

const run = promisify(execFile);
const README = read("README.md");

let stack: TestStack;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "farcall-readme-"));
  stack = await startStack();
});
afterAll(async () => {
  await stack?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    (match) => match[1] ?? "",
  );
}

async function runNode(...args: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    FARCALL_URL: stack.url,
    FARCALL_TOKEN: stack.token,
  };
  return (await run(process.execPath, [...args], { cwd: ROOT, env })).stdout;
}

describe("README.md", () => {
  it("has a program that runs as it stands and prints what it says", async () => {
    const program = blocks("ts")
      .join("\n")
      .replaceAll(/"\.\/(sdk|examples)\//g, (_, folder: string) => `"${ROOT}${folder}/`);
    const file = join(dir, "try.ts");
    writeFileSync(file, program);
    const lines = (await runNode(file)).trim().split("\n");
    expect(lines[0]).toBe("144");
    expect(lines[1]).toBe(String((99_999 * 100_000 * 199_999) / 6));
    expect(lines[2]).toBe("3");
    expect(Number(lines[3])).toBeGreaterThan(0);
    expect(lines.at(-1)).toBe("[ 3, 2 ]");
  });

  it("names commands that work", async () => {
    const farcall = join(ROOT, "bin", "farcall.mjs");
    const commands = blocks("sh")
      .join("")
      .split("\n")
      .map((line) => line.replace(/ +#.*/, "").trim())
      .filter((line) => line.startsWith("npx farcall "))
      .map((line) => line.split(" ").slice(2));
    expect(commands.map(([name]) => name)).toEqual(["up", "run", "tasks", "tasks", "logs", "status", "down"]);
    expect(await runNode(farcall, "run", "--", "uname", "-sr")).toMatch(/^\w+ \d/);
    const [task] = JSON.parse(await runNode(farcall, "tasks", "ls", "--json")) as { id: string }[];
    expect(task?.id).toBeTypeOf("string");
    const known: Record<string, string> = { ID: task?.id ?? "" };
    for (const command of commands.filter(([name]) => name !== "up" && name !== "down" && name !== "run")) {
      expect(await runNode(farcall, ...command.map((word) => known[word] ?? word)), command.join(" ")).not.toBe("");
    }
  });
});
