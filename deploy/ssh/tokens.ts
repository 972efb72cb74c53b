/** What OpenSSH's configuration leaves to be filled in: `%h` and its like, `${NAME}`, `~/`. Pure. */
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";

/** By letter; `%%` is always a per cent sign. */
export type Tokens = Readonly<Record<string, string>>;

/** Fills in `%`-tokens. One that is not known is refused, as OpenSSH does: guessing would be another file or host. */
export function expandTokens(text: string, tokens: Tokens, option: string): string {
  return text.replace(/%(.?)/gs, (all, letter: string) => {
    if (letter === "%") return "%";
    const value = Object.hasOwn(tokens, letter) ? tokens[letter] : undefined;
    if (value !== undefined) return value;
    throw new ApiError("CONFIG_INVALID", `the SSH configuration has ${all} in ${option}, which is not known there`);
  });
}

/** Fills in `${NAME}`. A variable that is not set is refused, as OpenSSH does. */
export function expandVariables(text: string, env: Environment, option: string): string {
  return text.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = env[name];
    if (value !== undefined) return value;
    throw new ApiError("CONFIG_INVALID", `the SSH configuration has \${${name}} in ${option}, which is not set`);
  });
}

/** The value between quotes, where it stands in some. */
export function unquoted(value: string): string {
  return value.replace(/^"([^"]*)"$/, "$1");
}

/** The words of a value; those with spaces are in quotes. */
export function words(value: string | undefined): string[] {
  return (value?.match(/"[^"]*"|\S+/g) ?? []).map(unquoted);
}
