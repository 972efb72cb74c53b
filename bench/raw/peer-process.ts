/** Starts the other process of a raw measurement, and ends it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PEER = fileURLToPath(new URL("./peer.ts", import.meta.url));

/** Runs `use` with the peer started; `args` say what it answers. */
export async function withPeer<T>(args: readonly string[], use: (peer: ChildProcess) => Promise<T>): Promise<T> {
  const peer = spawn(process.execPath, [PEER, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    return await use(peer);
  } finally {
    if (peer.exitCode === null) {
      peer.kill("SIGKILL");
      await once(peer, "exit");
    }
  }
}

/** The first line that the peer prints. */
export async function firstLine(peer: ChildProcess): Promise<string> {
  if (!peer.stdout) throw new Error("the peer has no output");
  for await (const line of createInterface({ input: peer.stdout })) return line;
  throw new Error("the peer ended before it was ready");
}
