/** Every generated page: its file name in docs/ and what writes it. */
import { errorsPage } from "./errors.ts";
import { httpApiPage } from "./http-api.ts";

export const PAGES: Record<string, () => string | Promise<string>> = {
  "errors.md": errorsPage,
  "http-api.md": httpApiPage,
};
