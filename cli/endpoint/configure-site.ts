/** The configuration of an endpoint at a known site, or of one that is driven over SSH. */
import { siteConfig } from "../../deploy/sites/site.ts";
import { ApiError } from "../../protocol/errors.ts";
import { configOf, fileText, type SiteConfigText } from "./deploy/config-text.ts";

export type SiteOptions = {
  maxBlocks?: number;
  minBlocks?: number;
  workers?: number;
  python?: string;
  driver?: "local" | "ssh";
  host?: string;
  via?: string;
  sshConfig?: string;
  dir?: string;
  site?: string;
  /** a file; `-` is stdin */
  config?: string;
  set?: string[];
};

/** The text, checked; undefined when nothing of the kind was asked for. Throws CONFIG_INVALID with what is missing. */
export function siteConfigText(name: string, options: SiteOptions): SiteConfigText | undefined {
  const { site, config, set = [] } = options;
  const settings = driverSettings(options);
  if (site === undefined && config === undefined && set.length === 0 && settings.length === 0) return undefined;
  const given = config === undefined ? undefined : fileText(config);
  return configOf({ name, site, given, settings: [...settings, ...plainSettings(options), ...set] });
}

/** The flags that do nothing where there is a configuration already. */
export function siteFlags({ driver, host, via, sshConfig, dir, site, config, set }: SiteOptions): string[] {
  const flags = { driver, host, via, "ssh-config": sshConfig, dir, site, config, set };
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : `--${flag}`));
}

function plainSettings({ maxBlocks, minBlocks, workers, python }: SiteOptions): string[] {
  const fields = {
    "policy.maxBlocks": maxBlocks,
    "policy.minBlocks": minBlocks,
    "policy.workersPerNode": workers,
    "workers.python": python,
  };
  return Object.entries(fields).flatMap(([field, value]) => (value === undefined ? [] : `${field}=${value}`));
}

function driverSettings({ driver, host, via, sshConfig, dir, site }: SiteOptions): string[] {
  const given = { via, configFile: sshConfig, dir };
  const named = Object.entries(given).flatMap(([field, value]) =>
    value === undefined ? [] : [[field, value] as const],
  );
  if (driver !== "ssh") {
    if (host === undefined && named.length === 0) return [];
    throw new ApiError("CONFIG_INVALID", "--host, --via, --ssh-config and --dir belong to --driver ssh");
  }
  const login = host ?? (site === undefined ? undefined : siteConfig(site).site.login[0]);
  if (login === undefined)
    throw new ApiError("CONFIG_INVALID", "--driver ssh needs --host <[user@]login node>, or --site");
  return ["driver.type=ssh", `driver.host=${login}`, ...named.map(([field, value]) => `driver.${field}=${value}`)];
}
