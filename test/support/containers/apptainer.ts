/** A real Apptainer: this machine's own, or that of a Debian that was unpacked for it (make-root.sh), run without root's rights. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { directoriesOf } from "../../../deploy/directories.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const enter = fileURLToPath(new URL("enter.sh", import.meta.url));
const unpacked = () => process.env.FARCALL_APPTAINER_ROOT ?? join(directoriesOf(process.env).cache, "apptainer");

/** What is missing for a real Apptainer here, or undefined. */
export function whyNoApptainer(): string | undefined {
  if (spawnSync("apptainer", ["version"]).status === 0) return undefined;
  if (!existsSync(join(unpacked(), "usr/bin/apptainer")))
    return `no apptainer: test/support/containers/make-root.sh ${unpacked()}`;
  return process.getuid?.() === 0 ? undefined : "only root may make mounts of its own";
}

/** Puts `apptainer` into `bin`, if it is not on the PATH, and builds an image of a root; returns its path. */
export function buildApptainerImage(dir: string, { root, bin }: { root: string; bin: string }): string {
  mkdirSync(bin, { recursive: true });
  if (spawnSync("apptainer", ["version"]).status !== 0) {
    const shared = [...new Set(["/proc", "/dev", "/sys", "/tmp", tmpdir(), repository.replace(/\/$/, "")])];
    const script = `#!/bin/sh\nexec unshare --mount --propagation private /bin/sh ${enter} ${unpacked()} ${shared.join(" ")} -- /usr/bin/apptainer "$@"\n`;
    writeFileSync(join(bin, "apptainer"), script, { mode: 0o755 });
  }
  const image = join(dir, "image.sif");
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  execFileSync("apptainer", ["build", image, root], { env, stdio: "pipe" });
  return image;
}
