/** A directory whose file system can be made to hang, as a file server that does not answer: bindfs, which is stopped. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitFor } from "./wait-for.ts";

/** Why there can be none here, or undefined. */
export function whyNoStall(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux to mount";
  if (!existsSync("/usr/bin/bindfs")) return "needs bindfs: apt-get install bindfs";
  if (!existsSync("/dev/fuse")) return "needs /dev/fuse";
  const dir = mkdtempSync(join(tmpdir(), "farcall-fuse-"));
  try {
    execFileSync("bindfs", [dir, dir], { stdio: "ignore" });
    execFileSync("umount", [dir], { stdio: "ignore" });
    return undefined;
  } catch {
    return "mounting FUSE is not allowed here";
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export type StallingDirectory = {
  /** Whoever touches it waits from now on. */
  stall(): void;
  goOn(): void;
  /** Puts the directory back to what it was, with what was written into it. */
  unmount(): Promise<void>;
};

/** Mounts it over `dir`, which is made when there is none; what is in it, or in `source`, stays visible. */
export async function mountStalling(dir: string, source = dir): Promise<StallingDirectory> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const child = spawn("bindfs", ["-f", source, dir], { stdio: "ignore" });
  const exited = once(child, "exit");
  await waitFor(() => readFileSync("/proc/mounts", "utf8").includes(` ${dir} fuse`), { what: `the mount of ${dir}` });
  return {
    stall: () => void child.kill("SIGSTOP"),
    goOn: () => void child.kill("SIGCONT"),
    async unmount() {
      child.kill("SIGCONT");
      execFileSync("umount", ["-l", dir]);
      child.kill("SIGTERM");
      await exited;
    },
  };
}
