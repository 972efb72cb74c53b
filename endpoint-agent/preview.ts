/** Shows what would be submitted for a block, without submitting it. */
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ApiError } from "../protocol/errors.ts";
import { newId } from "../protocol/ids.ts";
import { createBlockFiles } from "./block-files.ts";
import { type Settings, settle } from "./config.ts";
import { readConfigFile } from "./config-file.ts";
import { type Driver, placesIn } from "./driver.ts";
import { endpointLayout } from "./layout.ts";
import { submission } from "./provider/batch/engine.ts";
import { dialectOf } from "./provider/open-provider.ts";

export type Preview = {
  argv: string[];
  script: string;
  /** what the command reads, where that is not the script itself but names it */
  description?: string;
};

const SUFFIX = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** Of the endpoint in `dir`. Its files are written as for a real block, and removed again. Throws CONFIG_INVALID. */
export function previewSubmission(
  dir: string,
  { endpoint, env }: { endpoint: string; env: Readonly<Record<string, string | undefined>> },
): Preview {
  const layout = endpointLayout(dir);
  const settings = settle(readConfigFile(layout.config));
  const { provider: config, node, policy } = settings;
  if (config.type === "local") {
    throw new ApiError(
      "CONFIG_INVALID",
      "provider.type is local: its blocks are processes of this machine, without a script",
    );
  }
  for (const path of [layout.blocks, layout.blockLogs]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const files = createBlockFiles({
    endpoint,
    dir: layout.blocks,
    logDir: layout.blockLogs,
    cacheDir: layout.cache,
    seen: placesAt(settings, endpoint),
    // Managers would read it, the script does not name it.
    dial: { kind: "unix", path: "/" },
    settings,
    managerMain: fileURLToPath(new URL(`./manager/main${SUFFIX}`, import.meta.url)),
    // A site knows its own nodes' better.
    env: settings.driver.type === "ssh" ? {} : (env as Record<string, string>),
  });
  const id = newId();
  try {
    const request = files.prepare({ id, nodes: policy.nodesPerBlock, walltimeMs: policy.walltimeMs ?? null });
    const { argv, script, file, input } = submission(
      { dialect: dialectOf(config.type), config, endpoint, node },
      request,
    );
    return { argv, script, ...(file === undefined ? {} : { description: input }) };
  } finally {
    files.remove(id);
  }
}

/** Where its home is only the site knows. */
function placesAt({ driver }: Settings, endpoint: string): Driver["places"] | undefined {
  if (driver.type === "local") return undefined;
  return placesIn(`${driver.dir ?? "/HOME/.farcall/driven"}/${endpoint}`);
}
