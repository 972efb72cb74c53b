import { parse, parseDocument, stringify } from "yaml";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";
import { ApiError } from "../../../protocol/errors.ts";

/** The configuration for a site, checked: the file that was given, or what is known of the site, with the endpoint's name. */
export function configOf(options: {
  name: string;
  site?: string | undefined;
  given?: string | undefined;
  proxy?: string | undefined;
}): string {
  const value = options.given === undefined ? {} : (parse(options.given) as Record<string, unknown>);
  const text = stringify({ ...value, name: options.name, ...(options.proxy ? { proxy: options.proxy } : {}) });
  const parsed = parseConfig(text);
  if ("config" in parsed) return text;
  const lines = parsed.mistakes.map(({ field, value, expected }) => `${field} is ${value}; expected ${expected}`);
  throw new ApiError("CONFIG_INVALID", `the configuration for ${options.name}: ${lines.join("; ")}`);
}

/** The same configuration, comments and all, with a proxy. */
export function withProxy(text: string, proxy: string): string {
  const document = parseDocument(text);
  document.set("proxy", proxy);
  return String(document);
}
