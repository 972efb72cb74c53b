/** A progress bar on a terminal, on stderr; nothing where there is none. */
import type { Progress } from "./jobs/job.ts";

const WIDTH = 30;
const REDRAW_MS = 50;

export type ProgressBar = Progress & { tasks(): number; clear(): void };

/** Draws at most every 50 ms. */
export function createProgressBar(title: string, output: NodeJS.WriteStream): ProgressBar {
  let total = 0;
  let ended = 0;
  let drawnAt = 0;
  const draw = () => {
    if (!output.isTTY || (ended < total && performance.now() - drawnAt < REDRAW_MS)) return;
    drawnAt = performance.now();
    const filled = total === 0 ? 0 : Math.floor((ended / total) * WIDTH);
    const line = `  [${"=".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${ended}/${total}  ${title}`;
    output.write(`\r\x1b[K${line.slice(0, (output.columns || 80) - 1)}`);
  };
  return {
    add(tasks) {
      total += tasks;
      draw();
    },
    done() {
      ended++;
      draw();
    },
    tasks: () => ended,
    clear() {
      if (output.isTTY) output.write("\r\x1b[K");
    },
  };
}
