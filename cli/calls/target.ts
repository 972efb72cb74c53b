/** Which function a command line means: a registered one by name or id, or one of a file. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { ApiError } from "../../protocol/errors.ts";
import type { AnyFunction, Farcall, Remote } from "../../sdk/index.ts";

export type TargetOptions = { python?: string; js?: string };

/** Adds `--python` and `--js`. */
export function addTargetOptions(command: Command): Command {
  return command
    .addOption(new Option("--python <file.py:name>", "a function of a Python file").conflicts("js"))
    .addOption(new Option("--js <file.ts:export>", "an export of a JavaScript or TypeScript file, with its imports"));
}

/** The function that is meant, and the words that are left for its arguments. */
export async function targetOf(
  farcall: Farcall,
  words: readonly string[],
  options: TargetOptions,
): Promise<{ remote: Remote<AnyFunction>; rest: string[] }> {
  if (options.python) return { remote: await fromPython(farcall, options.python), rest: [...words] };
  if (options.js) return { remote: await fromModule(farcall, options.js), rest: [...words] };
  const [name, ...rest] = words;
  if (name === undefined) {
    throw new ApiError("BAD_REQUEST", "name a function (`farcall functions ls` lists them), or use --python or --js");
  }
  return { remote: farcall.registered<AnyFunction>(name), rest };
}

async function fromPython(farcall: Farcall, place: string): Promise<Remote<AnyFunction>> {
  const { file, name } = splitPlace(place);
  const source = await read(file);
  return farcall.python<AnyFunction>(source, name === undefined ? {} : { entry: name });
}

async function fromModule(farcall: Farcall, place: string): Promise<Remote<AnyFunction>> {
  const { file, name } = splitPlace(place);
  await read(file);
  const functions = (await farcall.module<Record<string, AnyFunction>>(resolve(file))) as Record<
    string,
    Remote<AnyFunction>
  >;
  const names = Object.keys(functions);
  const wanted = name ?? (names.includes("default") ? "default" : names.length === 1 ? names[0] : undefined);
  const remote = wanted === undefined ? undefined : functions[wanted];
  if (remote) return remote;
  const what = wanted === undefined ? "exports several functions" : `exports no ${wanted}`;
  throw new ApiError(
    "BAD_REQUEST",
    `${file} ${what}; its exports are ${names.join(", ") || "none"}: write ${file}:<export>`,
  );
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(resolve(file), "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : message;
    throw new ApiError("BAD_REQUEST", `${file} cannot be read: ${why}`, { cause });
  }
}

/** `file.py:name`; the name may be left out. */
function splitPlace(place: string): { file: string; name: string | undefined } {
  const match = /^(.+):([\p{L}_$][\p{L}\p{N}_$]*)$/u.exec(place);
  return match ? { file: match[1] as string, name: match[2] as string } : { file: place, name: undefined };
}
