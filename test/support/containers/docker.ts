/** A real dockerd of the test: its own socket and directories, no network, nothing of the machine's own. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../wait-for.ts";

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const PROGRAMS = ["dockerd", "containerd", "runc", "docker"];

/** What is missing for a real Docker here, or undefined. */
export function whyNoDocker(): string | undefined {
  if (process.platform !== "linux") return "dockerd needs Linux";
  const missing = PROGRAMS.filter((name) => !PATH.split(":").some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) return `no ${missing.join(", ")}: apt-get install docker.io`;
  return process.getuid?.() === 0 ? undefined : "dockerd is started by root only";
}

/** Starts it in `dir`, and makes an image of a root. */
export async function startDocker(dir: string, { root, name }: { root: string; name: string }) {
  mkdirSync(dir, { recursive: true });
  const socket = `unix://${join(dir, "sock")}`;
  const config = join(dir, "config.json");
  writeFileSync(config, "{}");
  const log = openSync(join(dir, "log"), "a");
  const places = ["--data-root", join(dir, "data"), "--exec-root", join(dir, "exec"), "--pidfile", join(dir, "pid")];
  const alone = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"];
  const child = spawn("dockerd", ["--config-file", config, "-H", socket, ...places, "--storage-driver=vfs", ...alone], {
    env: { ...process.env, PATH },
    stdio: ["ignore", log, log],
  });
  child.on("error", () => {});
  const env = { DOCKER_HOST: socket };
  const run = (...args: string[]) =>
    execFileSync("docker", args, { env: { ...process.env, PATH, ...env }, encoding: "utf8", stdio: "pipe" });
  const stop = async () => {
    child.kill("SIGTERM");
    await waitFor(() => child.exitCode !== null || child.signalCode !== null, { what: "the end of dockerd" });
    // dockerd leaves the name of its own network there.
    spawnSync("umount", [join(dir, "exec/netns/default")]);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await waitFor(() => answers(() => run("info")), { what: "dockerd answers", timeoutMs: 60_000 });
    execFileSync("sh", ["-c", `tar -C "$1" -c . | docker import - "$2"`, "sh", root, name], {
      env: { ...process.env, PATH, ...env },
      stdio: "ignore",
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, run, stop };
}

function answers(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
