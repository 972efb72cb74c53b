/** Registers an endpoint at a gateway and writes its directory, for stacks that bring their own. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { ApiError } from "../protocol/errors.ts";
import { makePrivateDirectory } from "./directories.ts";
import { writePrivateFile } from "./layout.ts";

export type LocalEndpoint = { name: string; dir: string; config?: Record<string, unknown> };
export type Gateway = { url: string; token: string };

type Credentials = { gateway: string; endpoint: string; token: string };

/** Makes sure that the endpoint is registered and its directory complete; returns its id. */
export async function ensureLocalEndpoint(endpoint: LocalEndpoint, gateway: Gateway): Promise<string> {
  makePrivateDirectory(endpoint.dir);
  const configFile = join(endpoint.dir, "config.yaml");
  if (endpoint.config || !existsSync(configFile)) {
    writePrivateFile(configFile, stringify({ name: endpoint.name, ...endpoint.config }));
  }
  const credentialsFile = join(endpoint.dir, "credentials.json");
  const known = readCredentials(credentialsFile);
  if (known && (await isRegistered(known.endpoint, gateway))) {
    if (known.gateway !== gateway.url) writeCredentials(credentialsFile, { ...known, gateway: gateway.url });
    return known.endpoint;
  }
  const answer = (await request(gateway, "POST", "/v1/endpoints", {
    name: endpoint.name,
    description: "started by farcall up",
  })) as { endpoint: { id: string }; token: string };
  writeCredentials(credentialsFile, {
    gateway: gateway.url,
    endpoint: answer.endpoint.id,
    token: answer.token,
  });
  return answer.endpoint.id;
}

/** One JSON request to the gateway; an error answer is thrown as the ApiError it carries. */
export async function request(gateway: Gateway, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(new URL(path, gateway.url), {
    method,
    headers: { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw ApiError.fromJSON((answer as { error?: unknown } | undefined)?.error ?? answer);
  return answer;
}

async function isRegistered(id: string, gateway: Gateway): Promise<boolean> {
  try {
    await request(gateway, "GET", `/v1/endpoints/${id}`);
    return true;
  } catch (error) {
    if (error instanceof ApiError && (error.code === "NOT_FOUND" || error.code === "ENDPOINT_UNKNOWN")) return false;
    throw error;
  }
}

function readCredentials(file: string): Credentials | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Credentials) : undefined;
}

function writeCredentials(file: string, credentials: Credentials): void {
  writePrivateFile(file, `${JSON.stringify(credentials, null, 2)}\n`);
}
