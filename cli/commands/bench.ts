import { type Command, Option } from "commander";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { wholeNumber } from "../options.ts";
import { count, duration } from "../output/text.ts";

type BenchOptions = { tasks: number; sequential: number; endpoint?: string; json?: boolean };

/** `farcall bench`: how fast this gateway and endpoint are, through the SDK, with functions that do nothing. */
export function registerBench(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "bench",
    summary: "measure latency and throughput of calls that do nothing, through the SDK",
    about: "A small version of `npm run bench` that runs against any gateway and endpoint.",
    examples: [["farcall bench --tasks 100000", "a longer run"]],
  })
    .addOption(new Option("--tasks <count>", "calls in the bag").argParser(wholeNumber(1, 10_000_000)).default(20_000))
    .addOption(
      new Option("--sequential <count>", "calls one after the other").argParser(wholeNumber(1, 100_000)).default(200),
    )
    .option("-e, --endpoint <name>", "the endpoint to measure")
    .action((options: BenchOptions) => bench(context, options));
}

async function bench(context: CliContext, options: BenchOptions): Promise<void> {
  const { terminal, signal } = context;
  const farcall = await context.connect();
  const noop = farcall
    .function((x: number) => x, { name: "farcall-bench-noop" })
    .with({ signal, ...(options.endpoint ? { endpoint: options.endpoint } : {}) });
  terminal.status("starting a worker …");
  const firstMs = await timed(() => noop(0));

  const times: number[] = [];
  for (let i = 0; i < options.sequential; i++) {
    times.push(await timed(() => noop(i)));
    if (i % 20 === 0) terminal.status(`one after the other: ${i} of ${options.sequential}`);
  }
  times.sort((a, b) => a - b);

  const began = performance.now();
  let wrong = 0;
  let done = 0;
  for await (const { index, value, error } of noop.map(range(options.tasks), { inFlight: 10_000 })) {
    if (error !== undefined || value !== index) wrong++;
    if (++done % 2_000 === 0) terminal.status(`in a bag: ${count(done)} of ${count(options.tasks)}`);
  }
  const seconds = (performance.now() - began) / 1_000;
  terminal.status("");

  const result = {
    first_ms: round(firstMs),
    seq_calls: options.sequential,
    seq_p50_ms: round(quantile(times, 0.5)),
    seq_p99_ms: round(quantile(times, 0.99)),
    noop_tasks: options.tasks,
    noop_tasks_per_s: Math.round(options.tasks / seconds),
    wrong,
  };
  if (wrong > 0) context.exit(1);
  if (options.json) return terminal.json(result);
  terminal.line(`first call                     ${duration(result.first_ms)}`);
  terminal.line(
    `${count(options.sequential)} calls one after the other: p50 ${duration(result.seq_p50_ms)}, p99 ${duration(result.seq_p99_ms)}`,
  );
  terminal.line(`${count(options.tasks)} calls in a bag: ${count(result.noop_tasks_per_s)} tasks/s, ${wrong} wrong`);
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return performance.now() - began;
}

function* range(end: number): Generator<number> {
  for (let i = 0; i < end; i++) yield i;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
