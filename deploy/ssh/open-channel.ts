/** A channel for a command, on a server that counts the sessions of a connection. */
import type { ClientChannel } from "ssh2";
import type { Carrier } from "./carrier.ts";

const OPEN_FAILURE = /Channel open failure/;
const ATTEMPTS = 6;
/** So often alone, some seven seconds: a busy login node takes its time to reap. */
const ATTEMPTS_ALONE = 20;
const STEP_MS = 50;
const MOST_STEPS = 10;

export type OpenOptions = {
  /** sessions of this connection that will end by themselves */
  others(): number;
  /** The server allows no more than those. */
  onFew(): void;
  /** Nobody waits any more. */
  cancelled(): boolean;
};

/**
 * Starts a command. sshd counts a session until it has reaped it, a little after its channel is closed; or it allows fewer than
 * usual (MaxSessions): then another one has to end first. What was refused was not started.
 */
export function openChannel(client: Carrier, command: string, options: OpenOptions): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    /** Refusals while no other session of ours was open: the server is only slow to forget those that were. */
    let alone = 0;
    const open = (attempt: number) => {
      try {
        client.exec(command, (error, channel) => {
          if (!error) return resolve(channel);
          const others = options.others() > 0;
          alone = others ? 0 : alone + 1;
          const again = OPEN_FAILURE.test(error.message) && alone < ATTEMPTS_ALONE && !options.cancelled();
          if (!again) return reject(error);
          if (others && attempt >= ATTEMPTS) options.onFew();
          setTimeout(() => open(attempt + 1), STEP_MS * Math.min(others ? attempt : alone, MOST_STEPS));
        });
      } catch (cause) {
        // ssh2 throws when the connection has just ended.
        reject(cause as Error);
      }
    };
    open(1);
  });
}
