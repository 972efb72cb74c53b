/** Code that can be registered: JavaScript, Python or a command, with the id that its content gives it. */

import { badField } from "../../protocol/batch.ts";
import { Container, definitionText, type FunctionDefinition, sha256Hex } from "../../protocol/function.ts";
import { Name } from "../../protocol/task.ts";

/** Without `bytes` it is registered already. */
export type LoadedCode = { id: string; definition: FunctionDefinition; bytes: Uint8Array | undefined };

/** A function before its registration. */
export type Code = {
  readonly name: string;
  /** Unknown of what is registered already, until it is looked up. */
  readonly runtime?: FunctionDefinition["runtime"];
  /** What must be checked about arguments before they are sent; throws. */
  check?(args: readonly unknown[]): void;
  load(): Promise<LoadedCode>;
};

export type CodeOptions = {
  name: string;
  runtime: FunctionDefinition["runtime"];
  entry: string;
  env?: Record<string, string> | undefined;
  container?: (Omit<Container, "binds"> & { binds?: string[] }) | undefined;
  check?: Code["check"];
};

/** Names code by the hash of its definition, once, when it is first used. */
export function createCode(source: () => Uint8Array | Promise<Uint8Array>, options: CodeOptions): Code {
  const { name, runtime, entry, env, container, check } = options;
  const given = container && Container.safeParse(container);
  if (given && !given.success) {
    throw badField("container", container, given.error.issues[0]?.message ?? "a runtime and an image");
  }
  if (!Name.safeParse(name).success) {
    throw badField("name", name, "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit");
  }
  let loaded: Promise<LoadedCode> | undefined;
  async function load(): Promise<LoadedCode> {
    const bytes = await source();
    const definition: FunctionDefinition = {
      runtime,
      code: await sha256Hex(bytes),
      entry,
      ...(env ? { env } : {}),
      ...(given?.data ? { container: given.data } : {}),
    };
    return { id: await sha256Hex(definitionText(definition)), definition, bytes };
  }
  return {
    name,
    runtime,
    ...(check ? { check } : {}),
    load: () => {
      loaded ??= load();
      return loaded;
    },
  };
}

/** A name made of any text, for functions that were given none. */
export function nameFrom(text: string, fallback: string): string {
  const name = text
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64);
  return name === "" ? fallback : name;
}
