/** What a benchmark is, and what it is given. */
import type { Stack } from "../deploy/stack.ts";
import type { Farcall } from "../sdk/index.ts";

export type Measurements = Record<string, number | string>;

/** A running Farcall with one endpoint of two workers, and a client of it. */
export type Running = { stack: Stack; farcall: Farcall };

export type Bench = {
  /** a tenth of the work or less, for a quick look */
  quick: boolean;
  durability: "disk" | "fast";
  /** an empty directory that is removed at the end */
  dir: string;
  natsServer: string;
  signal: AbortSignal;
  log(line: string): void;
  /** Starts a Farcall of its own, with an endpoint called `bench`, and stops it after `use`. */
  withFarcall<T>(use: (running: Running) => Promise<T>, options?: { gateway?: Record<string, unknown> }): Promise<T>;
};

export type Workload = {
  name: string;
  /** one sentence for the list of `--help` */
  about: string;
  run(bench: Bench): Promise<Measurements>;
};
