/** What runs and what listens on this machine, by /proc: Linux only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { waitFor } from "./wait-for.ts";

const LISTEN = "0A";

/** The command lines (or ids) of the processes whose command line or environment names a directory. */
export function processesUnder(dir: string, what: "command" | "pid" = "command"): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    // An ended process that nobody has waited for yet has an empty command line.
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    if (command === "" || !(command.includes(dir) || read(`/proc/${pid}/environ`).includes(dir))) continue;
    found.push(what === "pid" ? pid : command);
  }
  return found;
}

/** Kills those processes, and waits until there is none. */
export async function endAllUnder(dir: string): Promise<void> {
  if (process.platform !== "linux") return;
  const none = () => {
    const pids = processesUnder(dir, "pid").map(Number);
    for (const pid of pids) kill(pid);
    return pids.length === 0;
  };
  await waitFor(none, { what: `the end of all processes of ${dir}` });
}

/** The addresses that these processes listen on, over TCP. */
export function listeningAddresses(pids: readonly number[]): string[] {
  const inodes = new Set(pids.flatMap(socketsOf));
  const addresses: string[] = [];
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of read(table).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] !== LISTEN || !inodes.has(fields[9] as string)) continue;
      addresses.push(addressOf((fields[1] as string).split(":")[0] as string));
    }
  }
  return addresses;
}

function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : [inode];
    });
  } catch {
    return [];
  }
}

/** The kernel writes addresses as words in the machine's own byte order. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, "hex").reverse()]);
  if (bytes.length === 4) return bytes.join(".");
  const text = Buffer.from(bytes).toString("hex");
  if (text === `${"0".repeat(31)}1`) return "::1";
  if (text.startsWith(`${"0".repeat(20)}ffff`)) return bytes.slice(12).join(".");
  return /^0+$/.test(text) ? "::" : text;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
