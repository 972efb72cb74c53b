import type { LocalNode } from "./node-choice.ts";

/** The Node.js that runs this program. A distribution's build needs its libraries, the official ones bring theirs. */
export function localNode(): LocalNode {
  const variables = process.config.variables as unknown as Readonly<Record<string, unknown>>;
  const shared = Object.entries(variables).some(([name, value]) => name.startsWith("node_shared") && value === true);
  return {
    path: process.execPath,
    version: process.versions.node,
    os: process.platform,
    arch: process.arch,
    portable: !shared && variables.node_use_v8_platform !== false,
  };
}
