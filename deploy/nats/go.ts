/** Built by the Go toolchain; the module proxy's checksum database vouches for the source. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { findOnPath, run } from "../command.ts";
import type { Environment } from "../directories.ts";
import type { FetchWay } from "./server.ts";

const MODULE = "github.com/nats-io/nats-server/v2";
// A closed network is noticed by the small question first; the build itself may take minutes on a slow machine.
const ASK_TIMEOUT_MS = 30_000;
const BUILD_TIMEOUT_MS = 600_000;

/** `go install` of the pinned version, where Go is. */
export function goWay(): FetchWay {
  return {
    name: "go install",
    advice: `with Go: go install ${MODULE}@latest`,
    async fetch(directory, { version, env }) {
      const go = await findOnPath("go", env);
      if (!go) throw new Error("Go is not installed");
      const buildEnv = { ...env, ...(await cachesOf(go, directory, env)), GOBIN: directory, CGO_ENABLED: "0" };
      const options = { env: buildEnv, cwd: directory };
      await run(go, ["list", "-m", `${MODULE}@v${version}`], { ...options, timeoutMs: ASK_TIMEOUT_MS });
      await run(go, ["install", "-trimpath", "-ldflags=-s -w", `${MODULE}@v${version}`], {
        ...options,
        timeoutMs: BUILD_TIMEOUT_MS,
      });
      return join(directory, "nats-server");
    },
  };
}

/** Go's own caches where the user has them; else they are temporary, so that nothing is left behind. */
async function cachesOf(go: string, directory: string, env: Environment): Promise<Record<string, string>> {
  const text = await run(go, ["env", "GOMODCACHE", "GOCACHE"], { timeoutMs: 10_000, env });
  const [modules = "", objects = ""] = text.split("\n");
  const exists = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true;
  return {
    ...((await exists(modules)) ? {} : { GOMODCACHE: join(directory, "modules"), GOFLAGS: "-modcacherw" }),
    ...((await exists(objects)) ? {} : { GOCACHE: join(directory, "objects") }),
  };
}
