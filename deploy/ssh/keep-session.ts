/** A login that is made again when its connection is lost: by itself where a key is enough, else by a person who comes for it. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../protocol/errors.ts";
import type { PersonDoor } from "./person-door.ts";
import { NOBODY, type Prompter } from "./prompter.ts";
import type { LoginSession } from "./session.ts";

export type KeptSession = {
  /** The open connection; rejects with the reason while there is none. */
  current(): Promise<LoginSession>;
  /** Resolves when there is one; rejects when the agent ends. */
  ready(): Promise<void>;
  /** Why there is none, and what helps; null while there is one. */
  readonly trouble: string | null;
};

export type KeepOptions = {
  /** where to, for messages */
  host: string;
  /** what a person runs */
  loginCommand: string;
  open(prompter: Prompter): Promise<LoginSession>;
  /** Lets a person log in through `login`, until it is closed; `why` is what the agent's own login ended with. */
  openDoor(login: (prompter: Prompter) => Promise<string>, why: string): Promise<PersonDoor>;
  /** Called with each connection before anybody else gets it. */
  onOpen(session: LoginSession): Promise<void>;
  /** Something of it has changed for the worse. */
  onTrouble(trouble: string): void;
  signal: AbortSignal;
  /** between tries; a test has less time */
  waits?: { firstMs: number; mostMs: number };
};

/** Sites lock out who tries often. */
const WAITS = { firstMs: 1_000, mostMs: 120_000 };

/**
 * Logs in, and waits for a person where that needs one; rejects when the site cannot be reached. From then on it tries again,
 * less and less often, as long as it is the network that fails. One login that is refused ends that: a person must come.
 */
export async function keepSession(options: KeepOptions): Promise<KeptSession> {
  const { host, open, onOpen, onTrouble, signal } = options;
  const waits = options.waits ?? WAITS;
  let session: LoginSession | undefined;
  let trouble: string | null = `not logged in at ${host} yet`;
  const waiters: (() => void)[] = [];
  const found = (opened: LoginSession) => {
    session = opened;
    trouble = null;
    for (const resolve of waiters.splice(0)) resolve();
  };
  const lost = (text: string) => {
    session = undefined;
    trouble = text;
    onTrouble(text);
  };
  const logIn = async (prompter: Prompter) => {
    const opened = await open(prompter);
    try {
      await onOpen(opened);
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  };
  /** Until somebody has logged in. */
  const awaitPerson = async (why: string): Promise<LoginSession> => {
    lost(`needs you: run \`${options.loginCommand}\` (${why})`);
    let came = (_: LoginSession) => {};
    const login = new Promise<LoginSession>((resolve) => {
      came = resolve;
    });
    const door = await options.openDoor(async (prompter) => {
      const opened = await logIn(prompter);
      came(opened);
      return `logged in as ${opened.name}`;
    }, why);
    try {
      return await Promise.race([login, aborted(signal)]);
    } finally {
      door.close();
    }
  };
  const attempt = async (): Promise<LoginSession> => {
    try {
      return await logIn(NOBODY);
    } catch (error) {
      signal.throwIfAborted();
      if (!needsPerson(error)) throw error;
      return awaitPerson((error as Error).message);
    }
  };
  const keep = async () => {
    for (let waitMs = waits.firstMs; !signal.aborted; ) {
      if (session) {
        await session.closed;
        if (signal.aborted) return;
        lost(`the connection to ${session.name} was lost; trying to log in again`);
        waitMs = waits.firstMs;
      }
      try {
        found(await attempt());
        continue;
      } catch (error) {
        if (signal.aborted) return;
        lost(`no connection to ${host}: ${(error as Error).message}; trying on`);
      }
      // Agents that lost the same login node do not come back all at once.
      await sleep(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      waitMs = Math.min(waits.mostMs, waitMs * 2);
    }
  };
  found(await attempt());
  void keep();
  return {
    async current() {
      if (session) return session;
      throw new ApiError("SSH_FAILED", trouble ?? `no connection to ${host}`);
    },
    async ready() {
      if (!session) await Promise.race([new Promise<void>((resolve) => waiters.push(resolve)), aborted(signal)]);
    },
    get trouble() {
      return trouble;
    },
  };
}

/** What the same program would only hear again. */
function needsPerson(error: unknown): boolean {
  return error instanceof ApiError && (error.code === "SSH_LOGIN_REFUSED" || error.code === "SSH_HOST_KEY");
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}
