/** Nodes that only ssh reaches: an sshd each, on a loopback address of its own, where the machine has another name. As root. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../deploy/ports.ts";
import { processesUnder } from "./processes.ts";
import { keygen, SSHD } from "./sshd.ts";
import { waitFor } from "./wait-for.ts";

/** What is missing here, or undefined. */
export function whyNoSshNodes(): string | undefined {
  if (!SSHD) return "no sshd: apt-get install openssh-server openssh-client";
  const own = spawnSync("unshare", ["--uts", "--mount", "hostname", "farcall"]);
  return own.status === 0 ? undefined : "only root may give a process another host name";
}

/** Starts nodes of these names. */
export async function startSshNodes(names: readonly string[]) {
  const dir = mkdtempSync(join(tmpdir(), "farcall-ssh-nodes-"));
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const port = await freePort();
  const identity = join(dir, "id");
  keygen(identity, "ed25519");
  keygen(join(dir, "host_key"), "ed25519");
  copyFileSync(`${identity}.pub`, join(dir, "authorized_keys"));
  const addresses = names.map((_, index) => `127.0.0.${index + 2}`);
  const hosts = ["127.0.0.1 localhost", ...names.map((name, index) => `${addresses[index]} ${name}`)];
  writeFileSync(join(dir, "hosts"), `${hosts.join("\n")}\n`);
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes"];
  const client = `exec ssh -F /dev/null -i ${identity} -p ${port} ${options.map((option) => `-o ${option}`).join(" ")} "$@"`;
  const ssh = join(dir, "ssh");
  writeFileSync(ssh, `#!/bin/sh\n${client}\n`, { mode: 0o755 });
  /** A shell line that goes on as a program of one node. */
  const on = (name: string) =>
    `exec unshare --uts --mount --propagation private /bin/sh -c 'hostname ${name} && mount --bind ${join(dir, "hosts")} /etc/hosts && exec "$@"' sh`;
  const servers: ChildProcess[] = names.map((name, index) => {
    const file = join(dir, `${name}.conf`);
    const settings = [
      `Port ${port}`,
      `ListenAddress ${addresses[index]}`,
      `HostKey ${join(dir, "host_key")}`,
      `PidFile ${join(dir, `${name}.pid`)}`,
      `AuthorizedKeysFile ${join(dir, "authorized_keys")}`,
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      // Not the own home: what its shell reads first is nobody's business here.
      `SetEnv HOME=${dir} FARCALL_TEST_SITE=${dir}`,
    ];
    writeFileSync(file, `${settings.join("\n")}\n`);
    const log = join(dir, `${name}.log`);
    return spawn("/bin/sh", ["-c", `${on(name)} ${SSHD} -D -f ${file} -E ${log}`], { stdio: "ignore" });
  });
  const stop = async () => {
    for (const server of servers) server.kill("SIGKILL");
    for (const pid of processesUnder(dir, "pid").map(Number)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    await waitFor(() => servers.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null), {
      what: "the end of all sshd",
    });
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  for (const address of addresses) await waitFor(() => listens(address, port), { what: `sshd of ${address}` });
  return { names, ssh, on, stop };
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
