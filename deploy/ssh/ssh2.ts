/** The `ssh2` package, loaded when it is first used: a laptop's endpoint never needs it. */

export type Ssh2 = typeof import("ssh2");

/** Loads it. It is a CommonJS module: what it exports is its default. */
export async function loadSsh2(): Promise<Ssh2> {
  const module = (await import("ssh2")) as Ssh2 & { default?: Ssh2 };
  return module.default ?? module;
}
