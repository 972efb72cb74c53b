/** Runs other programs: argv, never a shell; every run has a time limit. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Environment } from "./directories.ts";

export type RunOptions = { timeoutMs: number; env?: Environment; cwd?: string };

/** Runs a program to its end and returns its output. Throws with the tail of stderr when it fails or takes too long. */
export function run(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const settings = {
      timeout: options.timeoutMs,
      killSignal: "SIGKILL" as const,
      maxBuffer: 16 * 1024 * 1024,
      ...(options.env ? { env: options.env as NodeJS.ProcessEnv } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
    };
    const child = execFile(file, args, settings, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const why = error.killed ? `no end within ${options.timeoutMs / 1000} s` : lastLine(stderr) || error.message;
      reject(new Error(`${file} ${args[0] ?? ""}: ${why}`, { cause: error }));
    });
    child.stdin?.end();
  });
}

/** The path of a program on PATH, or undefined. */
export async function findOnPath(name: string, env: Environment): Promise<string | undefined> {
  for (const directory of (env.PATH ?? "").split(delimiter)) {
    if (directory === "") continue;
    const path = join(directory, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** Whether a file is there and may be executed. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
