/** The runtimes of containers that there are here, each with an image of one root. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Container } from "../../../protocol/function.ts";
import { buildApptainerImage, whyNoApptainer } from "../../support/containers/apptainer.ts";
import { startDocker, whyNoDocker } from "../../support/containers/docker.ts";
import { makeImageRoot } from "../../support/containers/image.ts";
import { importPodmanImage, whyNoPodman } from "../../support/containers/podman.ts";

export type TestedRuntime = "apptainer" | "docker" | "podman";

/** What is missing for each of them here; undefined where nothing is. */
export const MISSING: Readonly<Record<TestedRuntime, string | undefined>> = {
  apptainer: whyNoApptainer(),
  docker: whyNoDocker(),
  podman: whyNoPodman(),
};

export type Ready = {
  dir: string;
  image: string;
  /** Ids of the containers that run, as the runtime itself says, one a line. */
  containers(): string;
  stop(): Promise<void>;
};

/** Makes the image, and puts into this process's environment what a node's would have. */
export async function readyRuntime(runtime: Container["runtime"] & TestedRuntime): Promise<Ready> {
  const dir = mkdtempSync(join(tmpdir(), `farcall-${runtime}-`));
  const root = join(dir, "root");
  makeImageRoot(root);
  const before = { ...process.env };
  const name = `farcall-test-${process.pid}`;
  const bin = join(dir, "bin");
  mkdirSync(bin);
  const restore = () => {
    process.env = before;
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  process.env.PATH = `${bin}${delimiter}${process.env.PATH}`;
  if (runtime === "apptainer") {
    const image = buildApptainerImage(dir, { root, bin });
    return { dir, image, containers: () => "", stop: async () => restore() };
  }
  const made =
    runtime === "docker"
      ? await startDocker(join(dir, "docker"), { root, name })
      : importPodmanImage(dir, { root, name });
  Object.assign(process.env, made.env);
  return {
    dir,
    image: name,
    containers: () => ("run" in made ? made.run("ps", "-q") : made.containers()),
    async stop() {
      await made.stop();
      restore();
    },
  };
}
