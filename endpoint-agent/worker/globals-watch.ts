/** Takes a task's own globals away and puts changed ones back. */

export type GlobalsWatch = { begin(): void; clear(): void };

/**
 * Looks at the enumerable globals, which are those that an assignment makes. Getters are not called: Node loads what is behind
 * them at their first use.
 */
export function createGlobalsWatch(): GlobalsWatch {
  const target = globalThis as Record<string, unknown>;
  const getters = new Set(
    Object.keys(target).filter((name) => Object.getOwnPropertyDescriptor(target, name)?.get !== undefined),
  );
  /** what there was before the task */
  const before = new Map<string, unknown>();
  return {
    begin() {
      // Most often nothing has changed since the last time.
      for (const name in target) {
        if (!getters.has(name) && Object.hasOwn(target, name)) before.set(name, target[name]);
      }
    },
    clear() {
      for (const name in target) {
        if (getters.has(name) || !Object.hasOwn(target, name)) continue;
        if (!before.has(name)) delete target[name];
      }
      for (const [name, value] of before) if (target[name] !== value) target[name] = value;
    },
  };
}
