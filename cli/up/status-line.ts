/** The moving line under `farcall up`. */
import type { Up } from "../../deploy/up/up.ts";
import type { CliContext } from "../context.ts";

const REFRESH_MS = 1_000;

/** Draws the state of the parts and the tasks until it is stopped; does nothing without a terminal. */
export function showStatusLine(context: CliContext, started: Up): { stop(): void } {
  const { terminal } = context;
  let stopped = !terminal.animated;
  let timer: NodeJS.Timeout | undefined;
  const draw = async () => {
    const tasks = await tasksText(context).catch(() => "the gateway does not answer");
    if (stopped) return;
    terminal.status(`${partsText(started)} · ${tasks} · Ctrl-C stops`);
    timer = setTimeout(draw, REFRESH_MS);
  };
  if (!stopped) void draw();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      terminal.status("");
    },
  };
}

function partsText(started: Up): string {
  const down = started.stack.parts().filter((part) => part.state !== "running");
  return down.length === 0 ? "running" : down.map((part) => `${part.name} ${part.state}`).join(", ");
}

async function tasksText(context: CliContext): Promise<string> {
  const farcall = await context.connect();
  const { counts } = await farcall.tasks.counts();
  const sum = (...states: string[]) => states.reduce((total, state) => total + (counts[state] ?? 0), 0);
  const waiting = sum("held", "staging", "queued", "leased", "waiting");
  return `${waiting} waiting, ${sum("running")} running, ${sum("succeeded")} done, ${sum("failed", "expired")} failed`;
}
