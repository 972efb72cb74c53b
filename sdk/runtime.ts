/** What kind of JavaScript runtime this is. The only place that looks. */

type NodeProcess = {
  env: Record<string, string | undefined>;
  cwd(): string;
  versions: Record<string, string | undefined>;
  getBuiltinModule?<T>(id: string): T;
};

const runtime = globalThis as unknown as { process?: NodeProcess; Deno?: unknown; Bun?: unknown };

/** Node, Deno or Bun: there are files and an environment. */
export function isNodeLike(): boolean {
  return typeof runtime.process?.getBuiltinModule === "function" && runtime.process.versions?.node !== undefined;
}

/** Node itself, not another runtime that speaks its API. */
export function isNode(): boolean {
  return isNodeLike() && runtime.Deno === undefined && runtime.Bun === undefined;
}

/** The environment, or an empty one where there is none or reading it is not allowed. */
export function environment(): Record<string, string | undefined> {
  try {
    return isNodeLike() ? { ...runtime.process?.env } : {};
  } catch {
    return {};
  }
}

/** The directory that relative paths start from. */
export function workingDirectory(): string {
  return runtime.process?.cwd() ?? "/";
}

/** A module of Node's own, without an import that a bundler for browsers would stumble over. */
export function builtin<T>(id: string): T {
  return (runtime.process as Required<NodeProcess>).getBuiltinModule<T>(id);
}
