/** The `farcall` program, run as a person would: at this terminal, where it asks for what it needs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { EXIT } from "../../cli/exit-codes.ts";

const BIN = fileURLToPath(new URL("../../bin/farcall.mjs", import.meta.url));
const PLAIN = /^[\w@%+=:,./-]+$/;

/** Ended by Ctrl-C, here or at its own prompt. */
export class Interrupted extends Error {}

/** A command of the day did not work; it has said why. */
export class CommandFailed extends Error {}

/** Runs a command to its end, and shows it. Gives its exit code. */
export async function runFarcall(
  args: readonly string[],
  { env, signal }: { env: NodeJS.ProcessEnv; signal?: AbortSignal },
): Promise<number> {
  console.log(`\n$ farcall ${args.map((arg) => (PLAIN.test(arg) ? arg : `'${arg}'`)).join(" ")}`);
  const child = spawn(process.execPath, [BIN, ...args], { env, stdio: "inherit" });
  // A signal from elsewhere than the terminal reached this process alone.
  const pass = () => child.kill("SIGINT");
  signal?.addEventListener("abort", pass, { once: true });
  const [code, killed] = (await once(child, "close")) as [number | null, string | null];
  signal?.removeEventListener("abort", pass);
  if (code === EXIT.interrupted || killed !== null) throw new Interrupted("interrupted");
  return code ?? EXIT.internal;
}
