/** Gives every task the same environment variables and working directory, whatever the one before did to them. */

export type TaskEnvironment = {
  /** Applies a call's variables on top of the process's own; undoes what was applied or changed before. */
  enter(variables: Record<string, string> | undefined): void;
};

/**
 * Replaces `process.env` by a proxy on it that notes which variables are written, so that a task that writes none costs the
 * next one nothing.
 */
export function createTaskEnvironment(): TaskEnvironment {
  const real = process.env;
  const base: Record<string, string | undefined> = { ...real };
  const directory = process.cwd();
  const touched = new Set<string>();
  let applied: Record<string, string> | undefined;
  process.env = new Proxy(real, {
    set(target, key, value) {
      touched.add(String(key));
      return Reflect.set(target, key, value);
    },
    defineProperty(target, key, descriptor) {
      touched.add(String(key));
      return Reflect.defineProperty(target, key, descriptor);
    },
    deleteProperty(target, key) {
      touched.add(String(key));
      return Reflect.deleteProperty(target, key);
    },
  });
  const restore = (name: string) => {
    const value = base[name];
    if (value === undefined) delete real[name];
    else real[name] = value;
  };
  return {
    enter(variables) {
      if (variables !== applied || touched.size > 0) {
        for (const name of touched) restore(name);
        touched.clear();
        for (const name in applied) restore(name);
        for (const name in variables) real[name] = variables[name];
        applied = variables;
      }
      if (process.cwd() !== directory) process.chdir(directory);
    },
  };
}
