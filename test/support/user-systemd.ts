/** A real systemd of a user: in a mount namespace of its own, where it takes the machine for one that systemd has booted. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "./wait-for.ts";

const SYSTEMD = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].find((path) => existsSync(path));
const NAMESPACE = ["unshare", "-m", "--propagation", "private", "sh", "-c"];
const AS_BOOTED = "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir -p /run/systemd/system";

/** Whether one can be started here: by root, and not in a container that forbids it. */
export const HAS_SYSTEMD =
  SYSTEMD !== undefined &&
  process.getuid?.() === 0 &&
  spawnSync(NAMESPACE[0] as string, [...NAMESPACE.slice(1), AS_BOOTED]).status === 0;

export type UserSystemd = {
  /** Ends it with all that it has started, as a reboot does. */
  stop(): Promise<void>;
};

/** Starts one for a home directory. */
export async function startUserSystemd(home: string, runtime: string): Promise<UserSystemd> {
  await mkdir(runtime, { recursive: true, mode: 0o700 });
  const [program = "", ...words] = NAMESPACE;
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: home, XDG_RUNTIME_DIR: runtime };
  const child = spawn(program, [...words, `${AS_BOOTED} && exec ${SYSTEMD} --user`], { env, stdio: "ignore" });
  const systemctl = (...args: string[]) => spawnSync("systemctl", ["--user", ...args], { env, encoding: "utf8" });
  await waitFor(() => existsSync(join(runtime, "systemd/private")) && systemctl("show-environment").status === 0, {
    timeoutMs: 20_000,
    what: "systemd --user",
  });
  return {
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await once(child, "exit");
      clearTimeout(late);
    },
  };
}
