/** The Python environment of the peers, made once in the cache directory: Parsl and Dask from PyPI, at pinned versions. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../deploy/command.ts";
import { directoriesOf, makePrivateDirectory } from "../../deploy/directories.ts";
import { withLock } from "../../deploy/lock.ts";

const REQUIREMENTS = fileURLToPath(new URL("./requirements.txt", import.meta.url));
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** The environment's directory; created if there is none for these requirements. */
export async function ensureEnvironment(log: (line: string) => void): Promise<string> {
  const hash = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const parent = makePrivateDirectory(join(directoriesOf(process.env).cache, "bench-peers"));
  const dir = join(parent, hash);
  const done = join(dir, "complete");
  return withLock(join(parent, ".lock"), async () => {
    if (existsSync(done)) return dir;
    log(`installing Parsl and Dask from PyPI into ${dir}`);
    rmSync(dir, { recursive: true, force: true });
    await run("python3", ["-m", "venv", dir], { timeoutMs: INSTALL_TIMEOUT_MS });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
    await run(join(dir, "bin", "python"), pip, { timeoutMs: INSTALL_TIMEOUT_MS });
    // last, so that an environment that was cut short is made again
    makePrivateDirectory(done);
    return dir;
  });
}

/** The variables that activating the environment sets; Parsl finds its programs on PATH. */
export function activated(dir: string, modules: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    VIRTUAL_ENV: dir,
    PATH: `${join(dir, "bin")}${delimiter}${process.env.PATH ?? ""}`,
    // the workers import the workloads by name
    PYTHONPATH: modules,
    PYTHONDONTWRITEBYTECODE: "1",
  };
}
