/** The two managers, for the tests that hold for both, and the Python that runs the one in Python. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { pythonManagerFile } from "../../endpoint-agent/python-manager.ts";

export const MANAGERS = ["node", "python"] as const;
export type ManagerType = (typeof MANAGERS)[number];

/** The oldest Python that there is here, 3.6 if any. */
export const OLDEST_PYTHON: string = oldestPython();

let file: string | undefined;

/** The argv that starts a manager, without its options. */
export function managerArgv(type: ManagerType): [string, ...string[]] {
  if (type === "node") return [process.execPath, "--no-warnings", "endpoint-agent/manager/main.ts"];
  return [OLDEST_PYTHON, pythonManager()];
}

/** The one file, made once for each process of the tests. */
export function pythonManager(): string {
  if (file === undefined) {
    const dir = mkdtempSync(join(tmpdir(), "farcall-python-manager-"));
    process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
    file = join(dir, "farcall-manager.pyz");
    writeFileSync(file, pythonManagerFile(), { mode: 0o600 });
  }
  return file;
}

function oldestPython(): string {
  const pyenv = process.env.PYENV_ROOT ?? join(homedir(), ".pyenv");
  const script = `for python in "$FARCALL_TEST_PYTHON" "$1"/versions/3.[6-9].*/bin/python3 python3.6 python3.7 python3.8 python3; do
    "$python" -c 'import ssl, sys; print(sys.executable)' 2>/dev/null && exit
  done; echo python3`;
  return execFileSync("/bin/sh", ["-c", script, "sh", pyenv], { encoding: "utf8" }).trim();
}
