/** A real podman, with settings of its own. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What is missing for a real podman here, or undefined. */
export function whyNoPodman(): string | undefined {
  return spawnSync("podman", ["--version"]).status === 0 ? undefined : "no podman: apt-get install podman runc";
}

/** Makes an image of a root; `env` is for those who run it. */
export function importPodmanImage(dir: string, { root, name }: { root: string; name: string }) {
  const conf = join(dir, "containers.conf");
  // Where a test may not raise its limits, podman may not either.
  const runc = spawnSync("runc", ["--version"]).status === 0 ? '[engine]\nruntime = "runc"\n' : "";
  writeFileSync(conf, `[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n${runc}`);
  execFileSync("sh", ["-c", `tar -C "$1" -c . | podman import - "$2"`, "sh", root, name], { stdio: "ignore" });
  return {
    env: { CONTAINERS_CONF: conf },
    containers: () => execFileSync("podman", ["ps", "-q"], { encoding: "utf8" }),
    stop: () => void spawnSync("podman", ["rmi", "--force", name]),
  };
}
