/** Keeps the way back of a site's managers open: anew with each connection, and again where it is shut while that lives on. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ManagerDial } from "../../endpoint-agent/manager-config.ts";
import type { LoginSession } from "./session.ts";
import type { OpenWay, WayBack } from "./way-back.ts";

export type KeptWay = {
  /** where managers dial now */
  readonly dial: ManagerDial;
  /** Why they do not come through, while commands do; null while they do. */
  readonly trouble: string | null;
  /** To be called with each new connection. */
  reopen(session: LoginSession): Promise<void>;
};

export type KeepWayOptions = {
  back: WayBack;
  local: ManagerDial & { kind: "tls" };
  onMoved(dial: ManagerDial): void;
  onTrouble(error: Error): void;
  /** before it is tried again, at first; a test has less time */
  waitMs?: number;
};

const WAIT_MS = 2_000;
const MOST_WAIT_MS = 60_000;

/** Opens it; rejects when nobody would get through. */
export async function keepWay(session: LoginSession, options: KeepWayOptions): Promise<KeptWay> {
  const { back, local, onMoved, onTrouble } = options;
  const firstWaitMs = options.waitMs ?? WAIT_MS;
  let trouble: string | null = null;
  const dialOf = ({ host, port }: OpenWay): ManagerDial => ({ ...local, host, port });
  const first = await back.open(session);
  let dial = dialOf(first);
  const attempt = async (on: LoginSession): Promise<OpenWay | undefined> => {
    try {
      const way = await back.open(on);
      trouble = null;
      const now = dialOf(way);
      if (JSON.stringify(now) === JSON.stringify(dial)) return way;
      dial = now;
      onMoved(dial);
      return way;
    } catch (error) {
      // The connection is good for the scheduler's commands all the same.
      trouble = (error as Error).message;
      onTrouble(error as Error);
      return undefined;
    }
  };
  /** For as long as the connection lives. */
  const watch = async (on: LoginSession, opened: OpenWay | undefined) => {
    let open = true;
    const gone = on.closed.then(() => {
      open = false;
    });
    let waitMs = firstWaitMs;
    for (let way = opened; open; ) {
      await Promise.race([gone, way ? way.shut : sleep(waitMs, undefined, { ref: false })]);
      waitMs = way ? firstWaitMs : Math.min(MOST_WAIT_MS, waitMs * 2);
      if (open && way) trouble = "what listens for managers on the login node has ended; it is started again";
      if (open) way = await attempt(on);
    }
  };
  void watch(session, first);
  return {
    get dial() {
      return dial;
    },
    get trouble() {
      return trouble;
    },
    async reopen(again) {
      void watch(again, await attempt(again));
    },
  };
}
