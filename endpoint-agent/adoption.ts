/** After a restart: when is it known what of the agent's earlier work still lives (PROTOCOL.md rules 17 to 22)? */
import { uptimeMs } from "./clock.ts";
import type { JournalState } from "./journal-state.ts";
import { type Manager, managerKey } from "./manager.ts";

export type AdoptionOptions = {
  journal: JournalState;
  /** the agent before was this one's own, so the journal knows all its managers */
  ownPast: boolean;
  /** when work of a stranger is certainly dead, on the clock that counts suspend */
  until: number;
  onComplete(): void;
};

export type Adoption = {
  /** Every lease that is not held here is held by nobody. */
  readonly complete: boolean;
  seen(manager: Manager): void;
  gone(block: string): void;
  /** Resolves when it is complete, or after a while: new work need not wait for a manager that hangs. */
  settled(): Promise<void>;
  stop(): void;
};

const SETTLE_MS = 5_000;

/** Waits for each manager in the journal to come back or to be proven dead, and for a stranger's work to be over. */
export function createAdoption(options: AdoptionOptions): Adoption {
  const expected = new Map<string, string>();
  for (const [key, { nonce }] of options.journal.managers) expected.set(key, nonce);
  let strangers = !options.ownPast;
  let told = false;
  let settle = () => {};
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const timers: NodeJS.Timeout[] = [];
  const check = () => {
    if (told || expected.size > 0) return;
    settle();
    if (strangers) return;
    told = true;
    options.onComplete();
  };
  if (strangers) {
    const over = () => {
      strangers = false;
      check();
    };
    timers.push(setTimeout(over, Math.max(0, options.until - uptimeMs())));
  }
  timers.push(setTimeout(settle, SETTLE_MS));
  setImmediate(check);
  return {
    get complete() {
      return told;
    },
    seen(manager) {
      const key = managerKey(manager.hello.block, manager.hello.node);
      if (expected.get(key) === manager.hello.nonce) expected.delete(key);
      check();
    },
    gone(block) {
      for (const key of expected.keys()) if (key.startsWith(`${block}/`)) expected.delete(key);
      check();
    },
    settled: () => settled,
    stop() {
      for (const timer of timers) clearTimeout(timer);
      settle();
    },
  };
}
