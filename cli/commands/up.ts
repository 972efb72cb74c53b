import { type Command, InvalidArgumentError, Option } from "commander";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";

export type UpCommandOptions = {
  detach?: boolean;
  durability: "disk" | "fast";
  endpoint: string;
  drainTimeout: number;
  json?: boolean;
};

/** `farcall up`: nats-server, gateway and a laptop endpoint on this machine. */
export function registerUp(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "up",
    summary: "start Farcall on this machine: a gateway and an endpoint that runs functions here",
    about:
      "Stays in the foreground and keeps every part running; Ctrl-C lets running work end and stops, a second Ctrl-C stops at once. Writes the profile, so that the SDK and the other commands need no configuration.",
    examples: [
      ["farcall up", "in the foreground"],
      ["farcall up --detach", "in the background; `farcall down` stops it"],
      ["farcall up --durability fast", "faster commits that a power cut may lose"],
    ],
  })
    .option("-d, --detach", "go to the background once everything runs")
    .addOption(
      new Option("--durability <mode>", "disk: what is acknowledged survives a power cut; fast: it may not")
        .choices(["disk", "fast"])
        .default("disk"),
    )
    .option("--endpoint <name>", "the endpoint's name", "laptop")
    .option("--drain-timeout <seconds>", "how long running work may take to end at Ctrl-C", seconds, 30)
    .action(async (options: UpCommandOptions) => {
      const { upInBackground } = await import("../up/background.ts");
      const { upInForeground } = await import("../up/foreground.ts");
      await (options.detach ? upInBackground(context, options) : upInForeground(context, options));
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError("expected a number of seconds");
  return value;
}
