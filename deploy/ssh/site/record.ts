/** What this machine remembers of an endpoint that it deployed: how to reach it. No secret is in it. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Name } from "../../../protocol/task.ts";
import { directoriesOf, type Environment, makePrivateDirectory } from "../../directories.ts";
import { readJsonFile, writePrivateFile } from "../../layout.ts";

export const SiteRecord = z.object({
  name: Name,
  /** at the gateway */
  endpoint: z.string().min(1),
  /** as it was given: `user@host:port` or a name of the SSH configuration */
  target: z.string().min(1),
  jump: z.string().optional(),
  configFile: z.string().optional(),
  base: z.string().optional(),
  /** the endpoint's directory at the site */
  dir: z.string().startsWith("/"),
  /** the login node that the agent was started on */
  host: z.string(),
  /** of the agent's files */
  agent: z.string(),
  /** options to repeat at an upgrade */
  site: z.string().optional(),
  set: z.array(z.string()).optional(),
  gateway: z.string().optional(),
  node: z.string().optional(),
  start: z.string().optional(),
});
export type SiteRecord = z.infer<typeof SiteRecord>;

/** Remembers an endpoint. */
export function writeRecord(env: Environment, record: SiteRecord): void {
  makePrivateDirectory(folder(env));
  writePrivateFile(fileOf(env, record.name), `${JSON.stringify(record, null, 2)}\n`);
}

/** The endpoint of a name, if it was deployed from here. */
export function readRecord(env: Environment, name: string): SiteRecord | undefined {
  if (!Name.safeParse(name).success) return undefined;
  const parsed = SiteRecord.safeParse(readJsonFile(fileOf(env, name)));
  return parsed.success ? parsed.data : undefined;
}

/** All that were deployed from here, by name. */
export function listRecords(env: Environment): SiteRecord[] {
  if (!existsSync(folder(env))) return [];
  const names = readdirSync(folder(env)).filter((file) => file.endsWith(".json"));
  return names.sort().flatMap((file) => readRecord(env, file.slice(0, -".json".length)) ?? []);
}

/** Forgets it. */
export function removeRecord(env: Environment, name: string): void {
  rmSync(fileOf(env, name), { force: true });
}

function folder(env: Environment): string {
  return join(directoriesOf(env).state, "sites");
}

function fileOf(env: Environment, name: string): string {
  return join(folder(env), `${name}.json`);
}
