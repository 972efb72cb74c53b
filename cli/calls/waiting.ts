/** What a user is told while the gateway does not answer in the middle of a call, and when that is given up. */
import { ApiError } from "../../protocol/errors.ts";
import type { FarcallOptions, Outage, Task } from "../../sdk/index.ts";
import type { CliContext } from "../context.ts";
import { duration } from "../output/text.ts";

/** Shorter silences are a restart of the gateway, and nobody's business. */
const QUIET_MS = 3_000;

export type Waiting = {
  /** how the client is to be made */
  readonly connection: Pick<FarcallOptions, "retryForMs" | "onOutage">;
  /** Runs `wait` for a task; a gateway that stays away is reported with the task and the way back to it. */
  until<T>(task: Pick<Task<unknown>, "id" | "state" | "accepted">, wait: () => Promise<T>): Promise<T>;
};

/** Waits as long as the flags say. */
export function createWaiting(
  { terminal }: Pick<CliContext, "terminal">,
  { gatewayTimeout, json }: { gatewayTimeout: number; json?: boolean },
): Waiting {
  let told = false;
  let timer: NodeJS.Timeout | undefined;
  let last: Outage | undefined;
  let current: { id: string; accepted: boolean } | undefined;

  const say = (facts: Record<string, unknown>, text: string) =>
    terminal.note(json ? JSON.stringify(facts) : `farcall: ${text}`);

  function tell(): void {
    if (!last) return;
    told = true;
    const { url, why } = last;
    const way = current ? `\n  ${wayBack(current)}` : "";
    say(
      { gateway: "silent", url, why, ...(current ? { task: current.id } : {}) },
      `the gateway at ${url} does not answer (${why}); trying again for ${duration(gatewayTimeout)} in all${way}`,
    );
  }

  function onOutage(outage: Outage | undefined): void {
    last = outage;
    if (outage) {
      if (!told) timer ??= setTimeout(tell, QUIET_MS).unref();
      return;
    }
    clearTimeout(timer);
    timer = undefined;
    if (told) say({ gateway: "answers" }, "the gateway answers again");
    told = false;
  }

  return {
    connection: { retryForMs: gatewayTimeout, onOutage },
    async until(task, wait) {
      const known = { id: task.id, accepted: false };
      current = known;
      task.accepted.then(
        () => {
          known.accepted = true;
        },
        () => {},
      );
      try {
        return await wait();
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "UNAVAILABLE") throw error;
        const details = { ...error.details, task: known.id, accepted: known.accepted };
        throw new ApiError(error.code, `${error.message}\n${wayBack(known)}`, { cause: error, details });
      } finally {
        current = undefined;
        clearTimeout(timer);
      }
    },
  };
}

function wayBack({ id, accepted }: { id: string; accepted: boolean }): string {
  if (!accepted) return `It is not known whether task ${id} was accepted: \`farcall tasks show ${id}\` will say`;
  return `Task ${id} goes on without this command: \`farcall tasks result ${id}\` waits for its result`;
}
