/** `farcall up` in the foreground: a status line while it runs, a drain at Ctrl-C. */
import { once } from "node:events";
import { directoriesOf } from "../../deploy/directories.ts";
import { layoutOf } from "../../deploy/layout.ts";
import type { PartStatus } from "../../deploy/part.ts";
import { killLeftovers } from "../../deploy/up/running.ts";
import { type Up, up } from "../../deploy/up/up.ts";
import type { UpCommandOptions } from "../commands/up.ts";
import type { CliContext } from "../context.ts";
import { duration } from "../output/text.ts";
import { showStatusLine } from "./status-line.ts";
import { alreadyUp, upFacts, upLines } from "./summary.ts";

/** Runs until it is interrupted. */
export async function upInForeground(context: CliContext, options: UpCommandOptions): Promise<void> {
  const { terminal, env, signal } = context;
  const directories = directoriesOf(env);
  const began = performance.now();
  // Until there is a stack to stop: what was started so far is in the note.
  context.onForce(() => killLeftovers(layoutOf(directories.state)));
  terminal.status("starting …");
  const result = await up({
    directories,
    env,
    durability: options.durability,
    endpoint: options.endpoint,
    log: (line) => terminal.note(line),
    onChange: reportTrouble(context),
  });
  terminal.status("");
  if ("running" in result) return alreadyUp(context, result.running, options);
  const { started } = result;
  context.onForce(() => started.kill());
  const facts = upFacts(started, performance.now() - began);
  if (options.json) terminal.json(facts);
  else for (const line of upLines(facts, terminal)) terminal.line(line);

  const line = showStatusLine(context, started);
  if (!signal.aborted) await once(signal, "abort");
  line.stop();
  await drain(context, started, options.drainTimeout * 1_000);
}

async function drain({ terminal }: CliContext, started: Up, graceMs: number): Promise<void> {
  terminal.note("draining: running work may end; Ctrl-C again stops at once");
  terminal.status("draining …");
  const began = performance.now();
  await started.drain(graceMs);
  terminal.status("");
  terminal.note(`stopped after ${duration(performance.now() - began)}`);
}

/** Says once when a part dies and once when it is back. */
function reportTrouble({ terminal, signal }: CliContext): (parts: PartStatus[]) => void {
  const troubled = new Set<string>();
  // Of one that never ran, the failed start is thrown.
  const ran = new Set<string>();
  return (parts) => {
    if (signal.aborted) return;
    for (const { name, state, trouble, logFile } of parts) {
      const bad = state === "restarting" || state === "failed";
      if (state === "running") ran.add(name);
      if (bad && ran.has(name) && !troubled.has(name)) {
        troubled.add(name);
        const what = (trouble ?? "died").replace(`${name} `, "");
        const seen = logFile === null || what.includes(logFile) ? "" : `; see ${logFile}`;
        terminal.note(`${name} ${what}${state === "restarting" ? "; starting it again" : seen}`);
      } else if (state === "running" && troubled.delete(name)) {
        terminal.note(`${name} runs again`);
      }
    }
  };
}
