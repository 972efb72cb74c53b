/** The two managers, for the tests that hold for both, and the Python that runs the one in Python. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { pythonManagerFile } from "../../endpoint-agent/python-manager.ts";

export const MANAGERS = ["node", "python"] as const;
export type ManagerType = (typeof MANAGERS)[number];

/** The Pythons that there are here, from 3.6 on, the oldest first. */
export const PYTHONS: string[] = findPythons();
export const OLDEST_PYTHON: string = PYTHONS[0] ?? "python3";

let file: string | undefined;
let made: string | undefined;
const removeFile = () => {
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
  made = undefined;
  file = undefined;
};
process.once("exit", removeFile);
// Vitest ends its processes by a signal, which no listener of "exit" sees. Programs that are no tests have no Vitest.
if ("__vitest_worker__" in globalThis) (await import("vitest")).afterAll(removeFile);

/** The argv that starts a manager, without its options. */
export function managerArgv(type: ManagerType, interpreter = OLDEST_PYTHON): [string, ...string[]] {
  if (type === "node") return [process.execPath, "--no-warnings", "endpoint-agent/manager/main.ts"];
  return [interpreter, pythonManager()];
}

/** The one file, made once for each process of the tests. */
export function pythonManager(): string {
  if (file === undefined) {
    const dir = mkdtempSync(join(tmpdir(), "farcall-python-manager-"));
    made = dir;
    file = join(dir, "farcall-manager.pyz");
    writeFileSync(file, pythonManagerFile(), { mode: 0o600 });
  }
  return file;
}

function findPythons(): string[] {
  const pyenv = process.env.PYENV_ROOT ?? join(homedir(), ".pyenv");
  const script = `for python in "$FARCALL_TEST_PYTHON" "$1"/versions/3.[6-9].*/bin/python3 "$1"/versions/3.1[0-9].*/bin/python3 python3; do
    "$python" -c 'import ssl, sys; print(sys.executable)' 2>/dev/null
  done; :`;
  const found = execFileSync("/bin/sh", ["-c", script, "sh", pyenv], { encoding: "utf8" });
  return [...new Set(found.trim().split("\n"))].filter((path) => path !== "");
}
