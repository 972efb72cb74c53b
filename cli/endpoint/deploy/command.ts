import { type Command, Option } from "commander";
import { siteNames } from "../../../deploy/sites/names.ts";
import { START_WAYS } from "../../../deploy/ssh/site/start-ways.ts";
import { addCommand } from "../../command.ts";
import type { CliContext } from "../../context.ts";
import { collect } from "../../options.ts";
import type { DeployOptions } from "./deploy.ts";
import { mustBeDeployed } from "./deployed.ts";

/** `farcall endpoint deploy`. */
export function addDeploy(group: Command, context: CliContext): void {
  const command = addCommand(group, {
    usage: "deploy <target>",
    summary: "install and start an endpoint's agent at a site, over SSH",
    about:
      "<target> is [user@]host[:port] or a name of your SSH configuration. Keys of hosts are verified, one-time passwords are asked for here. Every step may be repeated.",
    examples: [
      ["farcall endpoint deploy me@login.example.edu --name cluster", "with the defaults"],
      [
        "farcall endpoint deploy me@perlmutter.nersc.gov --site perlmutter --set provider.account=m1234",
        "a known site",
      ],
      [
        "farcall endpoint deploy me@login.example.edu --via me@gate.example.edu --config site.yaml",
        "through a jump host",
      ],
    ],
  });
  addReach(command)
    .option("--name <name>", "the endpoint's name; else the host's")
    .option("--site <name>", `what is known of the site: ${siteNames().join(", ")}; with a kind of nodes as delta:a100`)
    .option("--set <field=value>", "a field of its configuration, as provider.account=abc; may be repeated", collect)
    .option("--config <file>", "the endpoint's configuration, to be written there")
    .option("--gateway <url>", "the gateway's address as the site reaches it")
    .option("--proxy <url>", "an HTTP proxy through which the site reaches the outside")
    .option("--dir <directory>", "where to put it all there, instead of ~/.local")
    .option("--node <path>", "a Node.js that is there")
    .addOption(new Option("--start <way>", "what keeps the agent running; else what the site has").choices(START_WAYS))
    .action(async (target: string, options: DeployOptions) => {
      // SSH is loaded by those who use it.
      const { deployEndpoint } = await import("./deploy.ts");
      await deployEndpoint(context, target, options);
    });
}

/** `farcall endpoint upgrade` and `remove`: of endpoints that were deployed. */
export function addSiteCommands(group: Command, context: CliContext): void {
  addCommand(group, {
    usage: "upgrade <endpoint>",
    summary: "bring a deployed endpoint to this version of Farcall; its blocks run on meanwhile",
    examples: [["farcall endpoint upgrade cluster", "after an upgrade here"]],
  }).action(async (name: string, options: { json?: boolean }) => {
    const there = await mustBeDeployed(context, name);
    await there.upgradeAtSite(context, there.site, options);
  });
  addCommand(group, {
    usage: "remove <endpoint>",
    summary: "stop a deployed endpoint and delete it, at its site and at the gateway",
    examples: [["farcall endpoint remove cluster --yes", "its unfinished tasks are cancelled"]],
  })
    .option("--yes", "do not ask")
    .action(async (name: string, options: { json?: boolean; yes?: boolean }) => {
      const there = await mustBeDeployed(context, name);
      await there.removeAtSite(context, there.site, options);
    });
}

/** The options of commands that log in somewhere. */
export function addReach(command: Command): Command {
  return command
    .option("--via <hosts>", "jump hosts, [user@]host[:port] joined by commas; `none` for no jump")
    .option("--ssh-config <file>", "another SSH configuration than yours")
    .option("--accept-new-host-key", "accept hosts that are not known yet; a changed key is refused all the same");
}
