import { previewSubmission } from "../../endpoint-agent/preview.ts";
import { shellWord } from "../../endpoint-agent/shell-word.ts";
import type { CliContext } from "../context.ts";
import { localEndpoint } from "./directory.ts";

/** `farcall endpoint script`: exactly what would be submitted for its next block, and the command that would get it. */
export function showScript(context: CliContext, name: string, options: { json?: boolean }): void {
  const { dir, id } = localEndpoint(context.env, name);
  const preview = previewSubmission(dir, { endpoint: id ?? name, env: context.env });
  if (options.json) {
    context.terminal.json(preview);
    return;
  }
  const command = `$ ${preview.argv.map(shellWord).join(" ")}`;
  const { description } = preview;
  context.terminal.note(description === undefined ? `${command} <script` : `${command} <<END\n${description}END`);
  for (const line of preview.script.trimEnd().split("\n")) context.terminal.line(line);
}
