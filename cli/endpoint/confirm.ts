import { createInterface } from "node:readline/promises";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";

/** Asks for a yes before what cannot be taken back; throws UNCONFIRMED without one. */
export async function confirm(
  context: CliContext,
  options: { yes?: boolean; json?: boolean },
  question: string,
): Promise<void> {
  if (options.yes) return;
  if (!context.stdin.isTTY || options.json) {
    throw new ApiError("UNCONFIRMED", `${question} There is no terminal to ask on.`);
  }
  const reader = createInterface({ input: context.stdin, output: process.stderr });
  const answer = await reader.question(`${question} [y/N] `, { signal: context.signal });
  reader.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new ApiError("UNCONFIRMED", "the answer was not yes");
}
