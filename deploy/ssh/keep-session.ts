/** A login that is made again when its connection is lost. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LoginSession } from "./session.ts";

export type KeptSession = {
  /** The open connection; rejects with the reason while there is none. */
  current(): Promise<LoginSession>;
};

export type KeepOptions = {
  open(): Promise<LoginSession>;
  /** Called with each connection before anybody else gets it. */
  onOpen(session: LoginSession): Promise<void>;
  onLost(error: Error): void;
  signal: AbortSignal;
};

const FIRST_WAIT_MS = 1_000;
/** Sites lock out who tries often. */
const MOST_WAIT_MS = 120_000;

/** Logs in; rejects when the first try does not work. From then on it keeps trying, less and less often. */
export async function keepSession({ open, onOpen, onLost, signal }: KeepOptions): Promise<KeptSession> {
  const login = async () => {
    const session = await open();
    try {
      await onOpen(session);
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  };
  let current: Promise<LoginSession> = login();
  const keep = async (first: LoginSession) => {
    let session: LoginSession | undefined = first;
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      if (session) {
        await session.closed;
        if (signal.aborted) return;
        onLost(new Error(`the connection to ${session.name} was lost`));
        waitMs = FIRST_WAIT_MS;
      }
      current = login();
      session = await current.catch((error: Error) => {
        onLost(error);
        return undefined;
      });
      if (session) continue;
      await sleep(waitMs, undefined, { signal }).catch(() => {});
      waitMs = Math.min(MOST_WAIT_MS, waitMs * 2);
    }
  };
  void keep(await current);
  return { current: () => current };
}
