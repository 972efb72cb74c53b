/**
 * `npm run example:blue-waters`: a day at Blue Waters, at a stand-in for it on this machine. At a real site of that kind:
 * `npm run example:blue-waters -- --site-host me@login.example.edu -- --set provider.account=abc`, what follows the second `--`
 * being options of `farcall endpoint deploy`. With `--agents-here` nothing is installed there: the agents drive it over SSH.
 */
import { parseArgs } from "node:util";
import { Farcall } from "../../sdk/index.ts";
import { agentsHere, agentsThere } from "./agents.ts";
import { spendDay } from "./day.ts";
import { CommandFailed, Interrupted } from "./farcall-program.ts";
import { type Place, realPlace } from "./place.ts";

const INTERRUPTED = 130;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "site-host": { type: "string" },
    "ranks-per-node": { type: "string" },
    "agents-here": { type: "boolean" },
  },
});
const ranks = Number(values["ranks-per-node"] ?? 0);

const aborter = new AbortController();
// At a terminal a Ctrl-C reaches the program that asks there, too. Once more does not help: it is being cleaned up.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => aborter.abort());

if (!process.stdin.isTTY) {
  process.stderr.write("The one-time password is asked for at a terminal, and there is none.\n");
  process.exitCode = 2;
} else {
  process.exitCode = await main();
}

async function main(): Promise<number> {
  try {
    const host = values["site-host"];
    if (host !== undefined) await at(realPlace(host, positionals, ranks || 32));
    else {
      const { startStandInSite } = await import("./stand-in-site.ts");
      await using place = await startStandInSite((line) => process.stderr.write(`${line}\n`));
      await at({ ...place, ...(ranks ? { ranksPerNode: ranks } : {}) });
    }
    return 0;
  } catch (error) {
    if (aborter.signal.aborted || error instanceof Interrupted) {
      process.stderr.write("interrupted\n");
      return INTERRUPTED;
    }
    if (error instanceof CommandFailed) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
    throw error;
  }
}

async function at(place: Place): Promise<void> {
  console.log(`A day at ${place.title}`);
  await using farcall = new Farcall({ ...place.gateway, signal: aborter.signal });
  const agents = values["agents-here"] ? agentsHere : agentsThere;
  await spendDay({ farcall, place, agents, signal: aborter.signal });
  console.log("\nNothing is left there.");
}
