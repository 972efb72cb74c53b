/** Notices a connection that is open and dead: a proxy or a sleeping laptop can leave one so for hours. */

export type SilenceWatch = { heard(): void; stop(): void };

/** Calls `onSilence` when nothing was heard for `ms`. One timer for the stream, not one for each message. */
export function watchSilence(ms: number, onSilence: () => void): SilenceWatch {
  let heardAt = performance.now();
  let timer: ReturnType<typeof setTimeout>;
  const arm = (after: number) => {
    timer = setTimeout(() => {
      const left = heardAt + ms - performance.now();
      if (left <= 0) onSilence();
      else arm(left);
    }, after);
    unrefTimer(timer);
  };
  arm(ms);
  return {
    heard() {
      heardAt = performance.now();
    },
    stop: () => clearTimeout(timer),
  };
}

/** Lets the process end before the timer does, where the runtime knows of that. */
export function unrefTimer(timer: ReturnType<typeof setTimeout>): void {
  (timer as { unref?: () => void }).unref?.();
}
