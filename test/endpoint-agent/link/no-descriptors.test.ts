/** FAULTS.md A9: the agent's door when no descriptor is left to let anybody in. The listener in a process of its own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

/** Of its own accord libuv turns away whoever it has no descriptor for; when even that fails, the server has an error, as with SIGUSR2. */
const LISTENER = `
import { Server } from "node:net";
const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  process.on("SIGUSR2", () => this.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" })));
  return listen.apply(this, args);
};
import { listenForManagers } from "./endpoint-agent/websocket-listener.ts";
import { makeIdentity } from "./endpoint-agent/link/certificate.ts";
const [kind, path] = process.argv.slice(1);
const at = kind === "unix" ? { kind, path } : { kind, host: "127.0.0.1", port: 0, identity: makeIdentity() };
const { dial } = await listenForManagers({ at, admit: () => "no", onLink: () => ({ frame() {}, closed() {} }) });
process.stdout.write(JSON.stringify(dial) + "\\n");
`;

async function startListener(kind: "unix" | "tls") {
  const dir = mkdtempSync(join(tmpdir(), "farcall-door-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
  const args = ["--no-warnings", "--input-type=module-typescript", "-e", LISTENER, kind, join(dir, "agent.sock")];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  cleanup.push(() => {
    child.kill("SIGKILL");
    return exited;
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, dial: JSON.parse(String(line)) as { path?: string; port?: number } };
}

/** Allows it no descriptor more than it has, or as many as usual. */
function allow({ pid }: ChildProcess, what: "nothing more" | "the usual"): void {
  const open = new Set(readdirSync(`/proc/${pid}/fd`));
  let spare = 0;
  while (open.has(String(spare))) spare++;
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${what === "the usual" ? 1_024 : spare}:`]);
}

describe.skipIf(process.platform !== "linux")("the agent's door without a descriptor to spare", () => {
  it.each(["unix", "tls"] as const)("A9: over %s it stays open for later, however many come", async (kind) => {
    const { child, dial } = await startListener(kind);
    const dialIn = (): Socket => {
      const socket =
        dial.path === undefined ? connectTls(dial.port as number, { rejectUnauthorized: false }) : connect(dial.path);
      socket.on("error", () => {});
      cleanup.push(() => socket.destroy());
      return socket;
    };
    allow(child, "nothing more");
    const turnedAway = Array.from({ length: 5 }, dialIn);
    for (let i = 0; i < 3; i++) {
      child.kill("SIGUSR2");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect([child.exitCode, child.signalCode], "it goes on").toEqual([null, null]);
    for (const socket of turnedAway) socket.destroy();
    allow(child, "the usual");
    const socket = dialIn();
    if (kind === "tls") await once(socket, "secureConnect");
    socket.write("GET /manager HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk));
    await waitFor(() => answer.startsWith("HTTP/1.1 401"), { what: "an answer at the door" });
  });
});
