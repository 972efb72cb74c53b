/** Shell commands as functions: a template whose `{fields}` are filled in, quoted, where the command runs. */
import { badField } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { type Code, createCode, nameFrom } from "./code.ts";
import type { FunctionOptions } from "./inline.ts";

/**
 * What a command came to. `truncated` when it wrote more than is kept; `stdoutBytes` and `stderrBytes` when what it wrote is not
 * UTF-8, so that the text does not say all.
 *
 * @example
 * const { stdout, exitCode }: CommandResult = await farcall.command("uname -a")();
 */
export type CommandResult = {
  stdout: string;
  stderr: string;
  exitCode: number;
  truncated?: boolean;
  stdoutBytes?: Uint8Array;
  stderrBytes?: Uint8Array;
};

type NotInNames =
  | " "
  | "\n"
  | "\t"
  | "$"
  | '"'
  | "'"
  | ";"
  | ","
  | "("
  | ")"
  | ":"
  | "."
  | "{"
  | "/"
  | "="
  | "-"
  | "%"
  | "#"
  | "!";
type FieldNames<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `${string}${NotInNames}${string}` | "" ? never : Name) | FieldNames<Rest>
  : never;

/**
 * The function that a template makes: one argument with a field for each `{name}`, none when there is no field.
 *
 * @example
 * const count: Remote<CommandFunction<"wc -w {file}">> = farcall.command("wc -w {file}");
 * await count({ file: "/etc/hosts" });
 */
export type CommandFunction<Template extends string> = string extends Template
  ? (fields?: Record<string, string | number>) => CommandResult
  : [Exclude<FieldNames<Template>, "launcher">] extends [never]
    ? () => CommandResult
    : (fields: Record<Exclude<FieldNames<Template>, "launcher">, string | number>) => CommandResult;

const FIELD = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** Makes code of a command template. */
export function commandCode(template: string, options: Pick<FunctionOptions, "name" | "env" | "container">): Code {
  if (typeof template !== "string" || template.trim() === "") throw badField("command", template, "a command for sh");
  const shell = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/.exec(template);
  if (shell) {
    const [text, name] = shell;
    throw new ApiError(
      "BAD_REQUEST",
      `the command has ${text}, which would be taken as the field {${name}}; write $${name}`,
    );
  }
  // What starts the ranks of a command on several nodes is filled in where it runs.
  const fields = [...template.matchAll(FIELD)].map(([, name]) => name as string);
  const names = [...new Set(fields)].filter((name) => name !== "launcher");
  return createCode(() => new TextEncoder().encode(template), {
    name: options.name ?? nameFrom(template.trim().split(/\s/, 1)[0]?.split("/").at(-1) ?? "", "command"),
    runtime: "command",
    entry: "default",
    env: options.env,
    container: options.container,
    check: (args) => checkFields(args[0], names),
  });
}

function checkFields(fields: unknown, names: readonly string[]): void {
  if (names.length === 0) return;
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw badField("the command's argument", fields, `an object with the fields ${names.join(", ")}`);
  }
  for (const name of names) {
    const value = (fields as Record<string, unknown>)[name];
    if (typeof value !== "string" && typeof value !== "number") throw badField(name, value, "a string or a number");
    if (typeof value === "string" && value.includes("\0")) throw badField(name, value, "text without NUL characters");
  }
}
