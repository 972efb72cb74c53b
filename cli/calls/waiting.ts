/** What a user is told while the gateway does not answer in the middle of a call, and when that is given up. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../protocol/errors.ts";
import { isTerminal } from "../../protocol/task.ts";
import type { FarcallOptions, Outage, Task, TaskQuery, TasksApi } from "../../sdk/index.ts";
import type { CliContext } from "../context.ts";
import { duration, oneLine } from "../output/text.ts";

/** What does not start is looked at after this time, and then ever more seldom. */
const FIRST_LOOK_MS = 5_000;
const MAX_LOOK_MS = 60_000;
/** Shorter silences are a restart of the gateway, and nobody's business. */
const QUIET_MS = 3_000;

export type Waiting = {
  /** how the client is to be made */
  readonly connection: Pick<FarcallOptions, "retryForMs" | "onOutage">;
  /** Runs `wait` for a task; a gateway that stays away is reported with the task and the way back to it. */
  until<T>(
    tasks: Pick<TasksApi, "get">,
    task: Pick<Task<unknown>, "id" | "state" | "accepted">,
    wait: () => Promise<T>,
  ): Promise<T>;
  /** Does `work`; while the number of ended tasks stands still, says why those of the query wait. */
  many<T>(
    tasks: Pick<TasksApi, "get" | "list">,
    watched: { query: TaskQuery; ended: () => number },
    work: () => Promise<T>,
  ): Promise<T>;
};

type Looked = "over" | "nothing" | { id: string; waits: { reason: string; message: string } };

async function lookAt(tasks: Pick<TasksApi, "get">, id: string): Promise<Looked> {
  const { state, waits } = await tasks.get(id);
  if (state === "running" || isTerminal(state)) return "over";
  return waits ? { id, waits } : "nothing";
}

/** Of many the newest is at the end of the queue, and surely one of this command's. */
async function lookAtNewest(tasks: Pick<TasksApi, "get" | "list">, query: TaskQuery): Promise<Looked> {
  const [newest] = (await tasks.list({ ...query, state: ["queued", "leased"], limit: 1 })).items;
  const found = newest ? await lookAt(tasks, newest.id) : "nothing";
  return found === "over" ? "nothing" : found;
}

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

  /** Says each reason once; ends when `look` finds nothing that could wait. */
  async function tellWhyItWaits(look: () => Promise<Looked>, over: AbortSignal): Promise<void> {
    let said = "";
    try {
      for (let pause = FIRST_LOOK_MS; ; pause = Math.min(MAX_LOOK_MS, 2 * pause)) {
        await sleep(pause, undefined, { signal: over, ref: false });
        const found = await look();
        if (over.aborted || found === "over") return;
        if (found === "nothing") continue;
        // How long it has been so is no news.
        const news = found.waits.message.replace(/\d+/g, "");
        if (news === said) continue;
        said = news;
        say({ task: found.id, waits: found.waits }, `task ${found.id} waits: ${oneLine(found.waits.message)}`);
      }
    } catch {
      // The call itself says what is wrong.
    }
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
    async many(tasks, { query, ended }, work) {
      const over = new AbortController();
      let before = ended();
      const look = async (): Promise<Looked> => {
        const [last, now] = [before, ended()];
        before = now;
        // What moves needs no explanation.
        return now > last ? "nothing" : lookAtNewest(tasks, query);
      };
      void tellWhyItWaits(look, over.signal);
      try {
        return await work();
      } finally {
        over.abort();
      }
    },
    async until(tasks, task, wait) {
      const known = { id: task.id, accepted: false };
      current = known;
      const over = new AbortController();
      void tellWhyItWaits(() => lookAt(tasks, task.id), over.signal);
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
        over.abort();
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
