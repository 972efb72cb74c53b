/** `farcall up` without its terminal: finds or starts the stack of a state directory and keeps it running. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { liveHolder } from "../../endpoint-agent/directory-lock.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { ApiError } from "../../protocol/errors.ts";
import { type Directories, type Environment, makePrivateDirectory } from "../directories.ts";
import { type Layout, layoutOf } from "../layout.ts";
import { withLock } from "../lock.ts";
import { ensureNatsServer } from "../nats/server.ts";
import type { PartStatus } from "../part.ts";
import { StartError } from "../process.ts";
import { type Stack, startStack } from "../stack.ts";
import { VERSION } from "../version.ts";
import { writeProfile } from "./profile.ts";
import { createRunningNote, findRunning, killLeftovers, type RunningUp } from "./running.ts";

export type UpOptions = {
  directories: Directories;
  env: Environment;
  durability: "disk" | "fast";
  /** the endpoint to bring along */
  endpoint: string;
  log: (line: string) => void;
  onChange?: (parts: PartStatus[]) => void;
};

export type Up = {
  stack: Stack;
  layout: Layout;
  profile: string;
  /** Lets running work end, for as long as `graceMs`, then stops everything. */
  drain(graceMs: number): Promise<void>;
  /** Does not wait for running work: it is killed. */
  kill(): Promise<void>;
};

/** The `up` that runs already, or a newly started one. */
export async function up(options: UpOptions): Promise<{ running: RunningUp } | { started: Up }> {
  const layout = layoutOf(makePrivateDirectory(options.directories.state));
  // The lock is held only while it is decided who runs; the note says who it was.
  const claimed = await withLock(join(layout.dir, "up.lock"), async () => {
    const running = findRunning(layout);
    if (running) return { running };
    const left = await killLeftovers(layout);
    if (left > 0) options.log(`ended ${left} processes that an earlier up had left behind`);
    return { note: createRunningNote(layout, VERSION) };
  });
  if (!("note" in claimed)) return { running: claimed.running };
  return { started: await start(layout, claimed.note, options) };
}

async function start(layout: Layout, note: ReturnType<typeof createRunningNote>, options: UpOptions): Promise<Up> {
  let begun: Stack | undefined;
  try {
    const natsServer = await ensureNatsServer({ log: options.log, env: options.env });
    // Before anything runs: without a profile nobody would find it.
    makePrivateDirectory(options.directories.config);
    const stack = await startStack({
      dir: layout.dir,
      natsServer: natsServer.path,
      endpoints: [{ name: options.endpoint }],
      durability: options.durability,
      env: options.env,
      onChange(parts) {
        note.parts(parts);
        options.onChange?.(parts);
      },
    });
    begun = stack;
    const { url, token, natsUrl } = stack;
    const isIdle = (endpoint: string) => {
      const { config, lock } = endpointLayout(layout.endpointDir(endpoint));
      return existsSync(config) && !liveHolder(lock);
    };
    const profile = writeProfile(options.directories.config, { url, token, endpoint: options.endpoint }, isIdle);
    if (profile.kept) options.log(`the profile named another gateway; it is kept in ${profile.kept}`);
    note.update({ state: "ready", url, natsUrl });
    return {
      stack,
      layout,
      profile: profile.path,
      async drain(graceMs) {
        note.update({ state: "draining" });
        await stack.stop({ graceMs });
        note.remove();
      },
      async kill() {
        await stack.stop({ graceMs: 0 });
        note.remove();
      },
    };
  } catch (error) {
    // Otherwise it would start again what is killed next.
    await begun?.stop({ graceMs: 0 });
    await killLeftovers(layout);
    note.remove();
    if (!(error instanceof StartError)) throw error;
    const { said, part, logFile } = error;
    const details = { part, log: logFile, ...said?.details };
    throw new ApiError(said?.code ?? "UNAVAILABLE", said?.message ?? error.message, { cause: error, details });
  }
}
