/** The `farcall` program, run as a person would: at this terminal, where it asks for what it needs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/farcall.mjs", import.meta.url));
const INTERRUPTED = 130;

/** Ended by Ctrl-C at its own prompt. */
export class Interrupted extends Error {}

/** Runs a command to its end and shows it. Throws unless it ended well. */
export async function runFarcall(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  console.log(`\n$ farcall ${args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`)).join(" ")}`);
  const child = spawn(process.execPath, [BIN, ...args], { env, stdio: "inherit" });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  if (code === INTERRUPTED || signal === "SIGINT") throw new Interrupted("interrupted");
  if (code !== 0) throw new Error(`farcall ${args.slice(0, 2).join(" ")} ended with ${code ?? signal}`);
}
