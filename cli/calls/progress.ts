/** The progress bar of `farcall map`, on stderr and only on a terminal. */
import { bar, type Terminal } from "../output/terminal.ts";
import { count, duration } from "../output/text.ts";

const REDRAW_MS = 100;

export type Progress = { count(failed: boolean): void; end(interrupted: boolean): void };

/** Draws at most ten times a second, when something has changed. */
export function showProgress(terminal: Terminal, total: number | undefined): Progress {
  const began = performance.now();
  let done = 0;
  let failures = 0;
  let drawnAt = 0;
  const text = () => {
    const rate = done / Math.max(0.001, (performance.now() - began) / 1_000);
    const failed = failures > 0 ? `, ${count(failures)} failed` : "";
    if (total === undefined) return `${count(done)} done${failed}, ${count(rate)}/s`;
    const left = rate > 0 ? `, ${duration(((total - done) / rate) * 1_000)} left` : "";
    return `${bar(done / Math.max(1, total), 24)} ${count(done)} of ${count(total)}${failed}, ${count(rate)}/s${left}`;
  };
  return {
    count(failed) {
      done++;
      if (failed) failures++;
      if (!terminal.animated || performance.now() - drawnAt < REDRAW_MS) return;
      drawnAt = performance.now();
      terminal.status(text());
    },
    end(interrupted) {
      terminal.status("");
      if (!terminal.animated) return;
      const failed = failures > 0 ? `, ${count(failures)} failed` : "";
      const rest = interrupted ? "; interrupted, what was under way is cancelled" : "";
      terminal.note(`${count(done)} done${failed} in ${duration(performance.now() - began)}${rest}`);
    },
  };
}
