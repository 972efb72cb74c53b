/** The directories of this user's endpoints, and the agents that run from them. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { directoriesOf, type Environment } from "../../deploy/directories.ts";
import { layoutOf, readJsonFile } from "../../deploy/layout.ts";
import { liveHolder } from "../../endpoint-agent/directory-lock.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { ApiError } from "../../protocol/errors.ts";
import { Name } from "../../protocol/task.ts";

/** An endpoint that is configured on this machine. */
export type LocalEndpoint = {
  name: string;
  dir: string;
  /** at its gateway; undefined before it is registered */
  id: string | undefined;
  /** of its agent; undefined while none runs */
  pid: number | undefined;
};

/** Where the endpoint of a name is, or would be. Throws CONFIG_INVALID for what is no name. */
export function endpointDir(env: Environment, name: string): string {
  // It becomes part of a path.
  if (!Name.safeParse(name).success) {
    const rule = "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit";
    throw new ApiError("CONFIG_INVALID", `${JSON.stringify(name)} is no endpoint name: ${rule}`);
  }
  return layoutOf(directoriesOf(env).state).endpointDir(name);
}

/** The endpoint of a name. Throws ENDPOINT_UNKNOWN when it is not configured here. */
export function localEndpoint(env: Environment, name: string): LocalEndpoint {
  const found = inspect(endpointDir(env, name), name);
  if (found) return found;
  const others = localEndpoints(env).map((endpoint) => endpoint.name);
  const there = others.length > 0 ? `; there are ${others.join(", ")}` : "";
  throw new ApiError(
    "ENDPOINT_UNKNOWN",
    `no endpoint "${name}" is configured on this machine${there}; \`farcall endpoint configure ${name}\` makes it`,
  );
}

/** All endpoints that are configured on this machine, by name. */
export function localEndpoints(env: Environment): LocalEndpoint[] {
  const parent = join(directoriesOf(env).state, "endpoints");
  const names = existsSync(parent) ? readdirSync(parent).sort() : [];
  return names.flatMap((name) => inspect(join(parent, name), name) ?? []);
}

function inspect(dir: string, name: string): LocalEndpoint | undefined {
  const layout = endpointLayout(dir);
  if (!existsSync(layout.config)) return undefined;
  const credentials = readJsonFile(layout.credentials) as { endpoint?: string } | undefined;
  return { name, dir, id: credentials?.endpoint, pid: liveHolder(layout.lock)?.pid };
}
