import type { Command } from "commander";
import { VERSION } from "../../deploy/version.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";

/** `farcall version`: this program's version, Node's, and the gateway's if one answers. */
export function registerVersion(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "version",
    summary: "print the versions of the CLI, Node.js and the gateway",
    examples: [["farcall version --json", "the same for scripts"]],
  }).action(async (options: { json?: boolean }) => {
    const versions = { farcall: VERSION, node: process.versions.node, gateway: await gatewayVersion(context) };
    if (options.json) return context.terminal.json(versions);
    context.terminal.line(`farcall ${versions.farcall}, Node.js ${versions.node}`);
    context.terminal.line(versions.gateway ? `gateway ${versions.gateway}` : "gateway: none answers");
  });
}

async function gatewayVersion(context: CliContext): Promise<string | null> {
  try {
    const farcall = await context.connect();
    return (await farcall.call("me")).version;
  } catch {
    return null;
  }
}
