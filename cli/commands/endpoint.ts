import { type Command, Option } from "commander";
import { addCommand, addGroup } from "../command.ts";
import type { CliContext } from "../context.ts";
import {
  declareDead,
  deleteEndpoint,
  drainEndpoint,
  restartEndpoint,
  startEndpoint,
  stopEndpoint,
} from "../endpoint/change.ts";
import { type ConfigureOptions, configureEndpoint } from "../endpoint/configure.ts";
import { addDeploy, addSiteCommands } from "../endpoint/deploy/command.ts";
import { deployed } from "../endpoint/deploy/deployed.ts";
import { listEndpoints } from "../endpoint/list.ts";
import type { EndpointLogOptions } from "../endpoint/log-lines.ts";
import { loginEndpoint } from "../endpoint/login.ts";
import { showEndpointLog } from "../endpoint/logs.ts";
import { showScript } from "../endpoint/script.ts";
import { type EndpointStatusOptions, showEndpoints } from "../endpoint/status.ts";
import { collect, wholeNumber } from "../options.ts";
import { addWatch } from "../output/watch.ts";

/** `farcall endpoint`: the sites that run functions. */
export function registerEndpointCommands(program: Command, context: CliContext): void {
  const group = addGroup(program, "endpoint", "configure, start, stop and look after endpoints");
  addConfigure(group, context);
  addDeploy(group, context);
  addAgentCommands(group, context);
  addLogin(group, context);
  addSiteCommands(group, context);
  addStatus(group, context);
  addCommand(group, {
    usage: "script <endpoint>",
    summary: "print exactly what would be submitted to the batch scheduler for a block",
    about: "The command that would get the script goes to stderr. Nothing is submitted.",
    examples: [["farcall endpoint script cluster", "to read it, or to try it by hand"]],
  }).action(async (name: string, options: { json?: boolean }) => showScript(context, name, options));
  addCommand(group, {
    usage: "list",
    summary: "list the endpoints that you can see",
    examples: [["farcall endpoint list --json | jq '.[].name'", "their names"]],
  })
    .alias("ls")
    .action((options: { json?: boolean }) => listEndpoints(context, options));
  addCommand(group, {
    usage: "logs <endpoint>",
    summary: "print the log of an agent of this machine, or of one that was deployed from it",
    examples: [["farcall endpoint logs -f laptop", "as it is written"]],
  })
    .option("-f, --follow", "go on until interrupted")
    .option("-n, --lines <count>", "how many lines of its end", wholeNumber(1, 1_000_000), 100)
    .action(async (name: string, options: EndpointLogOptions) => {
      const there = await deployed(context, name);
      await (there ? there.logAtSite(context, there.site, options) : showEndpointLog(context, name, options));
    });
  addGatewayCommands(group, context);
}

function addConfigure(group: Command, context: CliContext): void {
  addCommand(group, {
    usage: "configure <name>",
    summary: "write an endpoint's configuration and register it at the gateway",
    about: "What exists already is checked and kept, so it may be repeated.",
    examples: [
      ["farcall endpoint configure laptop", "with the defaults"],
      ["farcall endpoint configure big --max-blocks 4 --workers 8", "up to four blocks of eight workers"],
      ["farcall endpoint configure cluster --config cluster.yaml", "what `farcall doctor --site here --write` wrote"],
      [
        "farcall endpoint configure batch --set provider.type=slurm --set provider.queue=debug",
        "a batch scheduler whose commands this machine has",
      ],
      [
        "farcall endpoint configure blue-waters --driver ssh --host me@login.example.edu --site blue-waters",
        "an agent here that drives a site where none can run",
      ],
    ],
  })
    .option("--description <text>", "what people see of it")
    .option("--max-blocks <count>", "the most blocks at any time", wholeNumber(0, 10_000))
    .option("--min-blocks <count>", "blocks to keep when nothing waits", wholeNumber(0, 10_000))
    .option("--workers <count>", "worker processes of a node", wholeNumber(1, 4096))
    .option("--python <path>", "the interpreter of Python functions")
    .option("--site <name>", "begin with what is known of a site, as for `endpoint deploy`")
    .option("--config <file>", "begin with a file, as `farcall doctor --site here --write` makes one; - is stdin")
    .option("--set <field=value>", "a field of the configuration, as provider.account=abc; may be repeated", collect)
    .addOption(
      new Option("--driver <way>", "ssh: the agent stays here and runs the scheduler's commands over SSH").choices([
        "local",
        "ssh",
      ]),
    )
    .option("--host <host>", "with --driver ssh: the login node, [user@]host[:port]; else the site's")
    .option("--via <hosts>", "with --driver ssh: jump hosts, joined by commas")
    .option("--ssh-config <file>", "with --driver ssh: another SSH configuration than yours")
    .option("--dir <directory>", "with --driver ssh: where blocks have their files there; nodes must see it")
    .action((name: string, options: ConfigureOptions) => configureEndpoint(context, name, options));
}

function addAgentCommands(group: Command, context: CliContext): void {
  addCommand(group, {
    usage: "start <endpoint>",
    summary: "start the agent of an endpoint of this machine, or of one that was deployed from it",
    examples: [
      ["farcall endpoint start laptop", "in the background"],
      ["farcall endpoint start laptop --foreground", "for a supervisor such as systemd"],
    ],
  })
    .option("--foreground", "run it here; its log goes to stderr")
    .option("--take-over", "although an agent on another host still answers for this endpoint")
    .option("--print-script", "print what would be submitted for a block, as `endpoint script` does, and start nothing")
    .action(async (name: string, options) => {
      if (options.printScript) return showScript(context, name, options);
      const there = await deployed(context, name);
      await (there ? there.startAtSite(context, there.site, options) : startEndpoint(context, name, options));
    });
  addCommand(group, {
    usage: "stop <endpoint>",
    summary: "stop the agent: running tasks end, its blocks are let go",
    examples: [["farcall endpoint stop laptop --now", "running tasks are killed and started again later"]],
  })
    .option("--now", "do not wait for running tasks")
    .action(async (name: string, options) => {
      const there = await deployed(context, name);
      await (there ? there.stopAtSite(context, there.site, options) : stopEndpoint(context, name, options));
    });
  addCommand(group, {
    usage: "restart <endpoint>",
    summary: "start the agent anew; its blocks run on meanwhile",
    examples: [["farcall endpoint restart laptop", "after a change of its configuration, or an upgrade"]],
  }).action(async (name: string, options: { json?: boolean }) => {
    const there = await deployed(context, name);
    await (there ? there.restartAtSite(context, there.site, options) : restartEndpoint(context, name, options));
  });
}

function addStatus(group: Command, context: CliContext): void {
  const command = addCommand(group, {
    usage: "status [endpoint...]",
    summary: "show endpoints: their agents, their blocks and jobs, what waits and why; all of them if none is named",
    about:
      "FOR is how long a block has been in its state, of a pending one since it was submitted; BUSY its slots; LEFT what remains of its walltime; REASON the scheduler's own words.",
    examples: [
      ["farcall endpoint status cluster", "by name or id"],
      ["farcall endpoint status cluster --watch", "anew every 2 s, until Ctrl-C"],
      ["farcall endpoint status cluster --json | jq '.summary.blocks[].job'", "the ids of its jobs"],
    ],
  });
  addWatch(command)
    .option("--no-site", "do not log in at the site of an endpoint that was deployed there")
    .action((names: string[], options: EndpointStatusOptions) => showEndpoints(context, names, options));
}

function addLogin(group: Command, context: CliContext): void {
  addCommand(group, {
    usage: "login <endpoint>",
    summary: "log in at the site of an endpoint with driver: ssh whose agent cannot do so itself",
    about:
      "What the login node asks is asked here: a one-time password, Duo, the key of the host. Nothing of it is kept.",
    examples: [["farcall endpoint login blue-waters", "after `endpoint status` has said that it is needed"]],
  }).action((name: string, options: { json?: boolean }) => loginEndpoint(context, name, options));
}

function addGatewayCommands(group: Command, context: CliContext): void {
  addCommand(group, {
    usage: "drain <endpoint>",
    summary: "let an endpoint finish and take nothing new",
    examples: [["farcall endpoint drain laptop --off", "take that back"]],
  })
    .option("--off", "take work again")
    .action((name: string, options) => drainEndpoint(context, name, options));
  addCommand(group, {
    usage: "declare-dead <endpoint>",
    summary: "state that an endpoint's host is gone: what it held is placed again at once",
    about: "Only you can know that. If its workers still run, tasks may run twice. It is written to the audit log.",
    examples: [["farcall endpoint declare-dead cluster --yes", "after the machine was reinstalled"]],
  })
    .option("--yes", "do not ask")
    .action((name: string, options) => declareDead(context, name, options));
  addCommand(group, {
    usage: "delete <endpoint>",
    summary: "stop and delete an endpoint; its unfinished tasks are cancelled",
    examples: [["farcall endpoint delete laptop --yes", "at the gateway, and its directory here"]],
  })
    .option("--yes", "do not ask")
    .action((name: string, options) => deleteEndpoint(context, name, options));
}
