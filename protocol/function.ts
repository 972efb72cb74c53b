/** Functions: registered code, named by the hash of its definition, so a task always runs what it was submitted with. */
import { z } from "zod";
import { EnvironmentVariables, FunctionId, Name } from "./task.ts";

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** In what a function runs, on every node. */
export const Container = z
  .strictObject({
    runtime: z.enum(["apptainer", "docker", "podman", "shifter"]),
    image: z
      .string()
      .max(512)
      .regex(/^[A-Za-z0-9/][A-Za-z0-9_./:@+-]*$/, "an image's name or path"),
    binds: z
      .array(
        z
          .string()
          .max(4096)
          .regex(/^\/[^:,\0\n]*(:\/[^:,\0\n]*(:(ro|rw))?)?$/, "/path, /path:/path or /path:/path:ro"),
      )
      .max(64)
      .default([]),
  })
  .meta({
    id: "Container",
    description:
      "The image has what the function needs: `sh`, and for JavaScript `node` 22 or newer, for Python `python3`.",
  });
export type Container = z.infer<typeof Container>;

/**
 * What a function is. `code` is the SHA-256 of the code's bytes: an ES module (javascript), Python source (python), or the
 * command template in UTF-8 (command).
 *
 * The arguments' payload is the array of positional arguments, or `{ args, kwargs }` (python); encoded `raw` it is one
 * argument of bytes.
 *
 * javascript: the code is one ES module; `entry` names the export to call with the arguments.
 * python: `entry` names the function in the source's global namespace.
 * command: one argument, an object; `{name}` in the template is replaced by its field of that name, quoted for sh; the
 *          result is { stdout, stderr, exitCode }.
 */
export const FunctionDefinition = z
  .strictObject({
    runtime: z.enum(["javascript", "python", "command"]),
    code: Sha256,
    entry: z.string().min(1).max(256).default("default"),
    env: EnvironmentVariables.optional(),
    container: Container.optional(),
  })
  .meta({ id: "FunctionDefinition" });
export type FunctionDefinition = z.infer<typeof FunctionDefinition>;

/** A function as the API shows it. */
export const FunctionView = z
  .object({
    id: FunctionId,
    name: Name,
    owner: z.string(),
    definition: FunctionDefinition,
    codeSize: z.int(),
    registeredAt: z.number(),
  })
  .meta({ id: "Function" });
export type FunctionView = z.infer<typeof FunctionView>;

/** The text whose SHA-256 (hex) is the function's id: its definition with the keys in order, without the name. */
export function definitionText(definition: FunctionDefinition): string {
  const env = Object.entries(definition.env ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const { container } = definition;
  const parts = [definition.runtime, definition.entry, definition.code, env];
  if (!container) return JSON.stringify(parts);
  return JSON.stringify([...parts, [container.runtime, container.image, container.binds]]);
}

/** The SHA-256 of bytes or UTF-8 text, in hex. Works in Node, Deno, Bun and browsers. */
export async function sha256Hex(data: Uint8Array | string): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const digest = await globalThis.crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
