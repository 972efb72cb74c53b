/** Options that several commands share. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { AnyFunction, CallOptions, Farcall, Remote } from "../sdk/index.ts";

/** `--limit <count>`, 1 to 1000. */
export function limitOption(standard: number): Option {
  return new Option("-n, --limit <count>", "how many at most").argParser(wholeNumber(1, 1000)).default(standard);
}

/** A parser of whole numbers within bounds. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`expected a whole number from ${low} to ${high}`);
  };
}

/** Parses `90`, `90s`, `15m`, `1h`, `7d` or `250ms` to milliseconds; a bare number is seconds. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError("expected a duration such as 250ms, 90s, 15m, 1h or 7d");
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? "s"] as number;
  return Math.round(Number(match[1]) * unit);
}

/** Collects a repeatable option. */
export function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

export type CallFlags = {
  endpoint?: string;
  group?: string;
  timeout?: number;
  ttl?: number;
  retries?: number;
  priority?: number;
  cores?: number;
  memory?: number;
  gpus?: number;
  nodes?: number;
  ranksPerNode?: number;
  env?: string[];
  atMostOnce?: boolean;
  gatewayTimeout: number;
};

/** The options of a call, for `call`, `map` and `run`. */
export function addCallOptions(command: Command): Command {
  return command
    .option("-e, --endpoint <name>", "where to run it; else the profile's endpoint, else the only one there is")
    .option("--group <name>", "put the tasks into a named group")
    .option("--timeout <duration>", "kill it after this long (90s, 15m, 1h)", durationMs)
    .option("--ttl <duration>", "give it up when it has not ended after this long, waiting included", durationMs)
    .option("--retries <count>", "repeat it when it throws", wholeNumber(0, 100))
    .option("--priority <number>", "higher first; 0 if not said", wholeNumber(-1000, 1000))
    .option("--cores <count>", "processor cores that it needs", wholeNumber(1, 4096))
    .option("--memory <MB>", "memory that it needs, and may use", wholeNumber(0, 64 * 1024 * 1024))
    .option("--gpus <count>", "GPUs that it needs", wholeNumber(0, 64))
    .option(
      "--nodes <count>",
      "whole nodes of one block, for a shell command with {launcher} in it",
      wholeNumber(1, 10_000),
    )
    .option("--ranks-per-node <count>", "MPI ranks on each of them; 1 if not said", wholeNumber(1, 4096))
    .option("--env <name=value>", "an environment variable; may be repeated", collect)
    .option("--at-most-once", "never start it a second time, also when it may have been lost")
    .addOption(
      new Option(
        "--gateway-timeout <duration>",
        "give up waiting when the gateway does not answer for this long; the task goes on",
      )
        .argParser(durationMs)
        .default(60_000, "1m"),
    );
}

/** The function as the flags ask for it to be called. */
export function withFlags<F extends AnyFunction>(
  farcall: Farcall,
  remote: Remote<F>,
  options: { flags: CallFlags; signal: AbortSignal },
): Remote<F> {
  const { flags, signal } = options;
  const grouped = flags.group === undefined ? remote : farcall.group(flags.group).function<F>(remote);
  return grouped.with(callOptionsOf(flags, signal));
}

function callOptionsOf(flags: CallFlags, signal: AbortSignal): CallOptions {
  const { endpoint, timeout, ttl, retries, priority, cores, memory, gpus, nodes, ranksPerNode, env, atMostOnce } =
    flags;
  const resources = {
    ...(cores === undefined ? {} : { cores }),
    ...(memory === undefined ? {} : { memoryMb: memory }),
    ...(gpus === undefined ? {} : { gpus }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(ranksPerNode === undefined ? {} : { ranksPerNode }),
  };
  return {
    signal,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    ...(retries === undefined ? {} : { retries }),
    ...(priority === undefined ? {} : { priority }),
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(env === undefined ? {} : { env: Object.fromEntries(env.map(variable)) }),
    ...(atMostOnce ? { delivery: "at-most-once" as const } : {}),
  };
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError(`--env ${text}: expected name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}
