/** Whether a container has started at all, and what to say when it has not. */
import { existsSync, rmSync } from "node:fs";
import type { Container } from "../../protocol/function.ts";

/** Leaves a file behind as the first thing that is run in the image: exit codes do not tell its runtime from the command. */
export function leavingSign(command: readonly string[], sign: string): string[] {
  return ["/bin/sh", "-c", 'true 2>/dev/null >"$1"; shift; exec "$@"', "sh", sign, ...command];
}

/** Whether the sign is there; it is removed. */
export function tookSign(sign: string): boolean {
  const started = existsSync(sign);
  if (started) rmSync(sign, { force: true });
  return started;
}

/** What is wrong, and what to do; `words` are the runtime's own. */
export function whyNotStarted({ runtime, image }: Container, words: string): string {
  return `no container of ${image} was started by ${runtime}: ${words}. On the node, ${WHAT_TO_SEE[runtime](image)}; a runtime that is missing can be put on the PATH by workers.init`;
}

const WHAT_TO_SEE: Readonly<Record<Container["runtime"], (image: string) => string>> = {
  apptainer: () =>
    "its image has to be a .sif file or a directory that is seen there, or an address that is reached from there",
  shifter: (image) => `\`shifterimg images\` has to list ${image}; \`shifterimg pull ${image}\` asks for it`,
  docker: (image) =>
    `\`docker run --rm ${image} true\` has to work for this user; \`docker pull\` or \`docker load\` brings an image`,
  podman: (image) =>
    `\`podman run --rm ${image} true\` has to work for this user; \`podman pull\` or \`podman load\` brings an image`,
};
