/** `farcall tasks result`, and how `farcall call` shows what it got. */
import type { CliContext } from "../context.ts";
import { valueJson, valueText } from "../output/value.ts";

/** Waits for a task's end and prints its value; what it threw is thrown. */
export async function showResult(context: CliContext, id: string, { json }: { json?: boolean }): Promise<void> {
  const farcall = await context.connect();
  const value = await farcall.tasks.result(id, { signal: context.signal });
  await showValue(context, { id, value, json });
}

/** Prints a task's value: bytes as they are unless on a terminal, nothing for nothing. */
export async function showValue(
  { terminal }: Pick<CliContext, "terminal">,
  { id, value, json }: { id: string; value: unknown; json?: boolean | undefined },
): Promise<void> {
  if (json) terminal.json({ id, value: valueJson(value) });
  else if (value instanceof Uint8Array && terminal.width === undefined) await terminal.write(value);
  else if (value !== undefined) terminal.line(valueText(value));
}
