import { readFileSync } from "node:fs";
import { parse, parseDocument, stringify } from "yaml";
import { missingFields, siteConfig, withSettings } from "../../../deploy/sites/site.ts";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";
import { ApiError } from "../../../protocol/errors.ts";

export type ConfigSources = {
  name: string;
  /** of the site files, as `delta:a100` */
  site?: string | undefined;
  /** the text of the user's own file */
  given?: string | undefined;
  /** `field.field=value` */
  settings?: readonly string[] | undefined;
  proxy?: string | undefined;
};

export type SiteConfigText = { text: string; notes: string[]; init: string[] };

/** The configuration for a site, checked: the file that was given, or what is known of the site, with what was set. */
export function configOf({ name, site, given, settings = [], proxy }: ConfigSources): SiteConfigText {
  const known = site === undefined ? undefined : siteConfig(site);
  const own = given === undefined ? {} : ((parse(given) ?? {}) as Record<string, unknown>);
  const value = withSettings({ ...known?.config, ...own }, settings);
  const missing = known ? missingFields(known.site, value) : [];
  if (missing.length > 0) {
    const flags = missing.map((field) => `--set ${field}=…`).join(" ");
    throw new ApiError("CONFIG_INVALID", `only you can know ${missing.join(", ")} of ${site}: say ${flags}`);
  }
  const text = stringify({ ...value, name, ...(proxy ? { proxy } : {}) });
  const parsed = parseConfig(text);
  if ("config" in parsed) return { text, notes: known?.site.notes ?? [], init: known?.site.init ?? [] };
  const lines = parsed.mistakes.map(({ field, value, expected }) => `${field} is ${value}; expected ${expected}`);
  throw new ApiError("CONFIG_INVALID", `the configuration for ${name}: ${lines.join("; ")}`);
}

/** The same configuration, comments and all, with a proxy. */
export function withProxy(text: string, proxy: string): string {
  const document = parseDocument(text);
  document.set("proxy", proxy);
  return String(document);
}

/** What a configuration file that was named says, `-` for standard input. Throws CONFIG_INVALID. */
export function fileText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new ApiError("CONFIG_INVALID", `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
