/** An agent that sees a shared directory as another machine does: through a mount of its own, in namespaces of its own. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { programArgs } from "../../deploy/layout.ts";
import { whyNoStall } from "./stalling-directory.ts";
import { waitFor } from "./wait-for.ts";

/** Why there can be none here, or undefined. */
export function whyNoOtherHost(): string | undefined {
  const why = whyNoStall();
  if (why) return why;
  try {
    execFileSync("unshare", ["--mount", "--pid", "--uts", "--fork", "--mount-proc", "true"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "namespaces are not allowed here";
  }
}

/** Starts one in mount, process and host name namespaces of its own; `hostname` is what it takes itself for. */
export async function startOnOtherHost({ dir, hostname }: { dir: string; hostname: string }) {
  const namespaces = ["--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"];
  const command = ["sh", "-c", 'hostname "$0" && exec "$@"', hostname];
  const agent = [process.execPath, ...programArgs("endpoint-agent/main"), "--dir", dir];
  const child = spawn("unshare", [...namespaces, ...command, ...agent], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk;
  });
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const exited = once(child, "close").then(([code]) => code as number | null);
  const running = () => child.exitCode === null && child.signalCode === null;
  await waitFor(() => said.includes("\n") || !running(), { what: "its start or its end" });
  return {
    running,
    log: () => log,
    code: () => exited,
    /** Ends it with all that it started: it is the first process of its namespace. */
    async stop() {
      if (running()) {
        const first = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
        if (first !== "") process.kill(Number(first), "SIGKILL");
      }
      await exited;
    },
  };
}
