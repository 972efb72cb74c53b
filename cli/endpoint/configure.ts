import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { makePrivateDirectory } from "../../deploy/directories.ts";
import { readJsonFile, writePrivateFile } from "../../deploy/layout.ts";
import { configSchemaText, type EndpointConfig } from "../../endpoint-agent/config.ts";
import { readConfigFile } from "../../endpoint-agent/config-file.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { ApiError } from "../../protocol/errors.ts";
import { resolveConnection } from "../../sdk/options.ts";
import type { CliContext } from "../context.ts";
import { type SiteOptions, siteConfigText, siteFlags } from "./configure-site.ts";
import { endpointDir } from "./directory.ts";

/** Beside the configuration, for editors. */
const SCHEMA_FILE = "config.schema.json";

export type ConfigureOptions = SiteOptions & {
  description?: string;
  json?: boolean;
};

/** Writes the endpoint's configuration unless there is one, and registers it unless it is. Safe to repeat. */
export async function configureEndpoint(context: CliContext, name: string, options: ConfigureOptions): Promise<void> {
  const layout = endpointLayout(makePrivateDirectory(endpointDir(context.env, name)));
  const written = !existsSync(layout.config);
  const site = written ? siteConfigText(name, options) : undefined;
  if (written) writePrivateFile(layout.config, site?.text ?? configText(name, options));
  writePrivateFile(join(dirname(layout.config), SCHEMA_FILE), configSchemaText());
  const config = readConfigFile(layout.config);
  const { id, registered } = await register(context, { name: config.name, file: layout.credentials, options });
  const ignored = [...ignoredFlags(config, options), ...(written ? [] : siteFlags(options))];
  if (options.json) {
    return context.terminal.json({ name, id, config: layout.config, written, registered, ignored });
  }
  const { terminal } = context;
  terminal.line(`${written ? "wrote" : "checked"} ${layout.config}`);
  terminal.line(registered ? `registered endpoint ${name} as ${id}` : `endpoint ${name} is registered as ${id}`);
  for (const note of site?.notes ?? []) terminal.note(note);
  if (ignored.length > 0) {
    const file = "the file that was there is kept";
    terminal.note(`${ignored.join(", ")} ignored: ${file}; edit it, then \`farcall endpoint restart ${name}\``);
  }
  terminal.note(`\`farcall endpoint start ${name}\` starts its agent`);
}

/** The flags that ask for something else than the configuration says. */
function ignoredFlags({ policy, workers }: EndpointConfig, options: ConfigureOptions): string[] {
  const flags: [string, unknown, unknown][] = [
    ["--min-blocks", options.minBlocks, policy.minBlocks],
    ["--max-blocks", options.maxBlocks, policy.maxBlocks],
    ["--workers", options.workers, policy.workersPerNode],
    ["--python", options.python, workers.python],
  ];
  return flags.flatMap(([flag, asked, found]) => (asked === undefined || asked === found ? [] : flag));
}

async function register(
  context: CliContext,
  { name, file, options }: { name: string; file: string; options: ConfigureOptions },
): Promise<{ id: string; registered: boolean }> {
  const farcall = await context.connect();
  const { url } = await resolveConnection({});
  const known = readJsonFile(file) as { endpoint?: string } | undefined;
  if (known?.endpoint && (await exists(farcall, known.endpoint))) {
    writePrivateFile(file, `${JSON.stringify({ ...known, gateway: url }, null, 2)}\n`);
    return { id: known.endpoint, registered: false };
  }
  const { endpoint, token } = await farcall.endpoints.create(name, { description: options.description ?? "" });
  writePrivateFile(file, `${JSON.stringify({ gateway: url, endpoint: endpoint.id, token }, null, 2)}\n`);
  return { id: endpoint.id, registered: true };
}

async function exists(farcall: Awaited<ReturnType<CliContext["connect"]>>, id: string): Promise<boolean> {
  try {
    await farcall.endpoints.get(id);
    return true;
  } catch (error) {
    if (error instanceof ApiError && ["NOT_FOUND", "ENDPOINT_UNKNOWN"].includes(error.code)) return false;
    throw error;
  }
}

/** A configuration that says what may be said, most of it commented out. */
function configText(name: string, options: ConfigureOptions): string {
  const { minBlocks, maxBlocks, workers, python } = options;
  const line = (key: string, value: unknown, fallback: unknown) =>
    value === undefined ? `  # ${key}: ${JSON.stringify(fallback)}` : `  ${key}: ${JSON.stringify(value)}`;
  const inPolicy = minBlocks !== undefined || maxBlocks !== undefined || workers !== undefined;
  return [
    `# yaml-language-server: $schema=${SCHEMA_FILE}`,
    "# A Farcall endpoint; docs/configuration.md says what each field means.",
    `name: ${name}`,
    "",
    inPolicy ? "policy:" : "# policy:",
    line("minBlocks", minBlocks, 0),
    line("maxBlocks", maxBlocks, 1),
    line("workersPerNode", workers, "as many as there are cores"),
    "  # maxIdleTimeMs: 120000",
    "",
    python === undefined ? "# workers:" : "workers:",
    line("python", python, "python3"),
    '  # env: { OMP_NUM_THREADS: "1" }',
    "",
  ].join("\n");
}
