/** A stand-in for a site that wants a one-time password: ssh2's server, whose commands are real ones of this machine. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesUnder } from "./processes.ts";
import { type Round, type StandIn, startStandIn } from "./ssh-server.ts";

export type OtpSite = StandIn & { dir: string; home: string };

/**
 * Starts one without SFTP, as sites that distrust it have it. `await using` ends it and all that it started. `path` is where
 * its logins find programs first.
 */
export async function startOtpSite(
  rounds: Round[],
  { path }: { path?: string } = {},
): Promise<OtpSite & AsyncDisposable> {
  const dir = mkdtempSync(join(tmpdir(), "farcall-otp-site-"));
  const home = join(dir, "home");
  mkdirSync(home, { mode: 0o700 });
  const server = await startStandIn({
    login: ["keyboard-interactive"],
    rounds,
    onExec(command, channel) {
      const child = spawn("/bin/sh", ["-c", command], {
        cwd: home,
        env: {
          PATH: [path, process.env.PATH].filter(Boolean).join(":"),
          HOME: home,
          USER: process.env.USER,
          FARCALL_TEST_SITE: dir,
        },
        stdio: ["pipe", "pipe", "pipe"],
      });
      channel.pipe(child.stdin.on("error", () => {}));
      child.stdout.pipe(channel, { end: false });
      child.stderr.pipe(channel.stderr, { end: false });
      channel.on("error", () => {}).on("close", () => child.kill());
      child.on("close", (code, signal) => {
        if (signal) channel.exit(signal);
        else channel.exit(code ?? 1);
        channel.end();
      });
    },
  });
  const end = server[Symbol.asyncDispose];
  return {
    ...server,
    dir,
    home,
    async [Symbol.asyncDispose]() {
      await end();
      for (const pid of processesUnder(dir, "pid")) {
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {
          // It has ended meanwhile.
        }
      }
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
