/** Asks at the terminal. Without one there is nobody to ask, and a pipe's content is never taken for an answer. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { harmless, type Prompter } from "../../../deploy/ssh/prompter.ts";
import { ApiError } from "../../../protocol/errors.ts";
import type { CliContext } from "../../context.ts";

/** The prompter of a command; with --json it asks nothing. */
export function terminalPrompter(context: CliContext, options: { json?: boolean | undefined }): Prompter {
  const { terminal, stdin, signal } = context;
  return {
    show(text) {
      terminal.note(harmless(text));
    },
    async ask({ text, echo }) {
      const shown = harmless(text);
      if (!stdin.isTTY || options.json) {
        throw new ApiError("CONFIG_INVALID", `there is no terminal to ask on: ${shown.trim()}`);
      }
      terminal.status("");
      // readline writes what is typed; where it must not be seen, it writes to nowhere.
      const output = echo ? process.stderr : new Writable({ write: (_chunk, _encoding, done) => done() });
      const reader = createInterface({ input: stdin, output, terminal: true });
      reader.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
      try {
        // Only now, when the terminal itself has stopped to show what is typed.
        if (!echo) process.stderr.write(shown);
        return await reader.question(echo ? shown : "", { signal });
      } finally {
        reader.close();
        if (!echo) process.stderr.write("\n");
      }
    },
  };
}
