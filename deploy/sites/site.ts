/** What is known of sites: one short file each, beside this one. `farcall endpoint deploy --site <name>` begins with it. */
import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { EndpointConfig } from "../../endpoint-agent/config.ts";
import { ApiError } from "../../protocol/errors.ts";
import { Name } from "../../protocol/task.ts";
import { siteNames } from "./names.ts";

const HERE = new URL("./", import.meta.url);

/** A part of an endpoint's configuration, checked once it is whole. */
const Part = z.record(z.string(), z.unknown());

/** A site file. */
export const Site = z.strictObject({
  name: Name,
  description: z.string().min(1).max(200),
  /** where it is documented: each statement below is from there */
  sources: z.array(z.url()).min(1),
  /** host names to log in at */
  login: z.array(z.string().regex(/^[a-z0-9.-]+$/)).min(1),
  /** what a person should know before */
  notes: z.array(z.string().min(1)).default([]),
  /** fields that only the user can know, as `provider.account` */
  needs: z.array(z.string().regex(/^[A-Za-z]+(\.[A-Za-z]+)*$/)).default([]),
  /** shell lines before the agent */
  init: z.array(z.string().regex(/^[^\n\r]+$/)).default([]),
  config: Part,
  /** other kinds of nodes, as changes to `config` */
  variants: z.record(Name, Part).default({}),
});
export type Site = z.infer<typeof Site>;

/** Reads a site. Throws CONFIG_INVALID, naming those that there are. */
export function readSite(name: string): Site {
  const file = new URL(`${name}.yaml`, HERE);
  if (!/^[a-z0-9-]+$/.test(name) || !existsSync(file)) {
    throw new ApiError(
      "CONFIG_INVALID",
      `there is no site ${JSON.stringify(name)}; there are ${siteNames().join(", ")}`,
    );
  }
  return Site.parse(parse(readFileSync(file, "utf8")));
}

/** The configuration of a site or, as `delta:gpu`, of one of its kinds of nodes. */
export function siteConfig(asked: string): { site: Site; config: Record<string, unknown> } {
  const [name = "", variant] = asked.split(":");
  const site = readSite(name);
  if (variant === undefined) return { site, config: site.config };
  const change = site.variants[variant];
  if (change) return { site, config: merge(site.config, change) };
  const kinds = Object.keys(site.variants).join(", ") || "none";
  throw new ApiError(
    "CONFIG_INVALID",
    `site ${name} has no kind of nodes ${JSON.stringify(variant)}; it has: ${kinds}`,
  );
}

/** Puts `provider.account=abc` and the like into a configuration. */
export function withSettings(config: Record<string, unknown>, settings: readonly string[]): Record<string, unknown> {
  return settings.reduce((whole, setting) => {
    const match = /^([A-Za-z]+(?:\.[A-Za-z]+)*)=(.*)$/s.exec(setting);
    if (!match) throw new ApiError("CONFIG_INVALID", `--set ${setting}: expected field.field=value`);
    const value: unknown = parse(match[2] as string);
    const change = (match[1] as string).split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
    return merge(whole, change as Record<string, unknown>);
  }, config);
}

/** The fields that a site's users must say and did not. */
export function missingFields(site: Site, config: Record<string, unknown>): string[] {
  return site.needs.filter((path) => {
    const value = path
      .split(".")
      .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], config);
    return value === undefined || value === null || value === "";
  });
}

/** Checks that a site's configurations are ones of an endpoint, with made-up answers where the user has to say something. */
export function checkSite(site: Site): void {
  const answers = site.needs.map((field) => `${field}=${field.startsWith("node.") ? 8 : "abc123"}`);
  for (const config of [site.config, ...Object.values(site.variants).map((change) => merge(site.config, change))]) {
    EndpointConfig.parse({ ...withSettings(config, answers), name: site.name });
  }
}

function merge(whole: Record<string, unknown>, change: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...whole };
  for (const [key, value] of Object.entries(change)) {
    const before = merged[key];
    merged[key] = isPart(before) && isPart(value) ? merge(before, value) : value;
  }
  return merged;
}

function isPart(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
