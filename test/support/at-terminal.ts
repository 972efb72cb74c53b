/** Runs a program at a terminal of its own, and types what a person would. Python has the terminals that Node lacks. */
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Copies between a terminal and the pipes of this process. Lines come back with the terminal's `\r\n`. */
const HELPER = `
import os, pty, select, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    ready, _, _ = select.select([fd, 0], [], [])
    if 0 in ready:
        data = os.read(0, 4096)
        if data: os.write(fd, data)
    if fd in ready:
        try: data = os.read(fd, 4096)
        except OSError: data = b""
        if not data: break
        os.write(1, data)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else os.WEXITSTATUS(status))
`;

export type Typed = {
  /** when the screen shows it */
  at: string;
  /** or what the person makes of the screen so far */
  type: string | ((screen: string) => string);
};

/** Resolves at the program's end with its exit code and everything that was on the screen. */
export async function runAtTerminal(
  argv: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd: string; typed: readonly Typed[]; timeoutMs: number },
): Promise<{ code: number | null; screen: string }> {
  const child = spawn("python3", ["-c", HELPER, ...argv], {
    env: { ...options.env, TERM: "xterm" },
    cwd: options.cwd,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.timeoutMs,
    killSignal: "SIGKILL",
  });
  const typed = [...options.typed];
  let screen = "";
  let from = 0;
  const take = (text: string) => {
    screen += text;
    for (let next = typed[0]; next !== undefined; next = typed[0]) {
      const at = screen.indexOf(next.at, from);
      if (at === -1) return;
      from = at + next.at.length;
      child.stdin.write(typeof next.type === "string" ? next.type : next.type(screen.slice(0, from)));
      typed.shift();
    }
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  child.stdin.on("error", () => {});
  const [code] = (await once(child, "close")) as [number | null];
  return { code, screen };
}
