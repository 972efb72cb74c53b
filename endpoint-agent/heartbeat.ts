/** Heartbeats: they carry the digest of what is held, and their answers move the deadline (PROTOCOL.md rules 9, 17, 19). */
import { ApiError, type ErrorBody } from "../protocol/errors.ts";
import { type Heartbeat, type HeartbeatAnswer, type HeldLease, leaseDigest } from "../protocol/messages.ts";
import { nowMs, uptimeMs } from "./clock.ts";
import type { TaskTable } from "./held-task.ts";

export type HeartbeatOptions = {
  epoch: number;
  intervalMs: number;
  orphanTimeoutMs: number;
  /** when the answered hello was sent, on the clock that counts suspend */
  helloAt: number;
  table: TaskTable;
  send(heartbeat: Heartbeat): Promise<HeartbeatAnswer>;
  summary(): Heartbeat["summary"];
  /** every manager of an earlier run has come back or is proven dead, so the list of leases is whole */
  complete(): boolean;
  kill(leases: readonly HeldLease[]): void;
  onRefused(error: ErrorBody): void;
};

export type HeartbeatLoop = {
  /** when work without contact must have been killed, on the clock that counts suspend */
  readonly deadlineAt: number;
  /** Sends one now. */
  beat(): void;
  /** Sends one within a second: there is something to tell, and perhaps more to come. */
  beatSoon(): void;
  /**
   * States exactly what is held; resolves when that was answered. To be called before the first pull of an epoch: nothing is
   * on its way then, so that what nobody holds can be queued again whatever its age.
   */
  declare(): Promise<void>;
  stop(): void;
};

/** Leases younger than this always differ under load. */
const DIGEST_AGE_MS = 10_000;
const RETRY_MS = 500;
const SOON_MS = 500;

/** Starts to beat. */
export function startHeartbeats(options: HeartbeatOptions): HeartbeatLoop {
  const { epoch, table } = options;
  let deadlineAt = options.helloAt + options.orphanTimeoutMs;
  let wanted = false;
  let underWay = false;
  let again = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let soon: NodeJS.Timeout | undefined;

  const once = async (declaring = false) => {
    const sentAt = uptimeMs();
    const olderThanMs = declaring ? 0 : DIGEST_AGE_MS;
    const old = table.leases(nowMs() - olderThanMs);
    const heartbeat: Heartbeat = {
      epoch,
      sentAt,
      digest: { ...leaseDigest(old), olderThanMs },
      summary: options.summary(),
    };
    if ((wanted || declaring) && options.complete()) {
      heartbeat.leases = table.leases(Number.POSITIVE_INFINITY);
      wanted = false;
    }
    const answer = await options.send(heartbeat);
    if (stopped) return;
    if (!answer.ok) {
      options.onRefused(answer.error);
      throw ApiError.fromJSON(answer.error);
    }
    deadlineAt = Math.max(deadlineAt, answer.sentAt + options.orphanTimeoutMs);
    if (answer.kill.length > 0) options.kill(answer.kill);
    wanted = answer.wantLeases;
    // Once a beat: what differs still may be on its way.
    if (wanted && !heartbeat.leases && options.complete()) again = true;
  };
  const beat = async () => {
    if (underWay) {
      again = true;
      return;
    }
    underWay = true;
    clearTimeout(timer);
    clearTimeout(soon);
    soon = undefined;
    do {
      again = false;
      // No answer: the deadline stands, and the next one is due soon.
      await once().catch(() => {});
    } while (again && !stopped);
    underWay = false;
    if (!stopped) timer = setTimeout(() => void beat(), options.intervalMs);
  };
  void beat();
  return {
    get deadlineAt() {
      return deadlineAt;
    },
    beat: () => void beat(),
    beatSoon() {
      if (!stopped) soon ??= setTimeout(() => void beat(), SOON_MS);
    },
    async declare() {
      while (!stopped) {
        const answered = await once(true).then(
          () => true,
          () => false,
        );
        if (answered) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS * (0.5 + Math.random())));
      }
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(soon);
    },
  };
}
