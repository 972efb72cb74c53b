/** `farcall tasks cancel` and `farcall tasks retry`. */
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { EXIT, exitCodeOf } from "../exit-codes.ts";
import { errorLines } from "../output/errors.ts";
import { count } from "../output/text.ts";

export type CancelOptions = { group?: string; function?: string; endpoint?: string; all?: boolean; json?: boolean };

/** Cancels tasks by id, or all that a selection names. */
export async function cancelTasks(context: CliContext, ids: string[], options: CancelOptions): Promise<void> {
  const { group, function: functionId, endpoint, all, json } = options;
  const selections = [ids.length > 0, group, functionId, endpoint, all].filter(Boolean).length;
  if (selections !== 1) {
    throw new ApiError("BAD_REQUEST", "name tasks, or one of --group, --function, --endpoint and --all");
  }
  const farcall = await context.connect();
  const selection = {
    ...(ids.length > 0 ? { ids } : {}),
    ...(group ? { group } : {}),
    ...(functionId ? { function: functionId } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(all ? { all: true as const } : {}),
  };
  const answer = await farcall.call("cancelTasks", { body: selection });
  if (answer.notFound > 0) context.exit(EXIT.notFound);
  if (json) return context.terminal.json(answer);
  const parts = [`cancelled ${count(answer.cancelled)}`];
  if (answer.alreadyFinished > 0) parts.push(`${count(answer.alreadyFinished)} had ended already`);
  if (answer.notFound > 0) parts.push(`${count(answer.notFound)} not found`);
  context.terminal.line(parts.join(", "));
}

/** Submits finished tasks again; goes on after one that cannot be. */
export async function retryTasks(context: CliContext, ids: string[], options: { json?: boolean }): Promise<void> {
  const farcall = await context.connect();
  for (const id of ids) {
    try {
      const retried = await farcall.tasks.retry(id);
      if (options.json) context.terminal.json({ retryOf: id, id: retried.id });
      else context.terminal.line(`${id} is submitted again as ${retried.id}`);
    } catch (error) {
      if (ids.length === 1) throw error;
      context.exit(exitCodeOf(error));
      for (const line of errorLines(error, false)) context.terminal.note(line);
    }
  }
}
