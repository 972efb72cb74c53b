import { Argument, type Command } from "commander";
import { addCommand } from "../command.ts";
import { complete } from "../completion/complete.ts";
import { completionScript } from "../completion/scripts.ts";
import type { CliContext } from "../context.ts";

/** `farcall completion`, and the hidden command that the shells ask. */
export function registerCompletion(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "completion",
    summary: "print a script that completes commands, options, functions and endpoints with the tab key",
    examples: [
      ['eval "$(farcall completion bash)"', "in ~/.bashrc"],
      ['eval "$(farcall completion zsh)"', "in ~/.zshrc, after compinit"],
      ["farcall completion fish > ~/.config/fish/completions/farcall.fish", "once"],
    ],
  })
    .addArgument(new Argument("<shell>", "the shell").choices(["bash", "zsh", "fish"]))
    .action((shell: "bash" | "zsh" | "fish", options: { json?: boolean }) => {
      const script = completionScript(shell);
      if (options.json) context.terminal.json({ shell, script });
      else context.terminal.line(script);
    });
  program
    .command("__complete", { hidden: true })
    .argument("[words...]", "the command line up to the cursor, the last word unfinished")
    .allowUnknownOption()
    .helpOption(false)
    .passThroughOptions()
    .action(async (words: string[]) => {
      for (const suggestion of await complete(program, words, context)) context.terminal.line(suggestion);
    });
}
