/** Every generated page: its file name in docs/ and what writes it. */
import { cliPage } from "./cli.ts";
import { configurationPage } from "./configuration.ts";
import { errorsPage } from "./errors.ts";
import { httpApiPage } from "./http-api.ts";

export const PAGES: Record<string, () => string | Promise<string>> = {
  "cli.md": cliPage,
  "configuration.md": configurationPage,
  "errors.md": errorsPage,
  "http-api.md": httpApiPage,
};
