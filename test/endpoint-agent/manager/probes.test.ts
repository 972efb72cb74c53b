/** What user code can find out about its manager without breaking out of anything: nothing that is not meant for it. */
import { readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MANAGERS } from "../../support/managers.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

/** Named as secrets are; none may reach user code. */
const CANARIES = [
  "FARCALL_TOKEN",
  "FARCALL_GATEWAY_SECRET",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "GITHUB_TOKEN",
  "NPM_TOKEN",
  "npm_config__auth",
  "SLURM_JWT",
  "SLURMD_JWT_KEY",
  "SSH_AUTH_SOCK",
  "KRB5CCNAME",
  "https_proxy",
  "PGPASSWORD",
  "LD_PRELOAD_SECRET",
  "NODE_OPTIONS_SECRET",
  "PYTHONSTARTUP",
  "BASH_ENV",
  "ENV",
  "MY_KEY",
];

/** Each member is a probe; true where the code may not see or do what it looks for. */
const PROBES = `import os, resource, signal, stat, sys
def read(path):
    with open(path, 'rb') as file:
        return file.read()
def private(path):
    info = os.stat(path)
    return stat.S_IMODE(info.st_mode) == 0o700 and info.st_uid == os.getuid()
def field(name):
    return next(line.split()[1] for line in read('/proc/self/status').decode().split('\\n') if line.startswith(name + ':'))
def descriptors():
    found = {}
    for name in os.listdir('/proc/self/fd'):
        try:
            found[int(name)] = os.readlink('/proc/self/fd/' + name)
        except OSError:
            pass
    return found
def f(secret):
    parent, found = os.getppid(), descriptors()
    # Copies of 1 and 2, by which its worker brings the output back after a task that has closed it.
    copies = [fd for fd, to in found.items() if fd > 2 and to in (found[1], found[2]) and not os.get_inheritable(fd)]
    others = {fd: to for fd, to in found.items() if fd > 2 and fd not in copies}
    kinds = {str(fd): 'socket' if to.startswith('socket:') else 'permits' if 'permits' in to else to for fd, to in others.items()}
    own, home = read('/proc/self/environ') + read('/proc/self/cmdline'), os.getcwd()
    return {
        'variables': [name for name, value in os.environ.items() if 'canary' in value],
        'variables of its start': b'canary' not in own,
        'the secret in variables or words': secret.encode() not in own + read('/proc/%d/cmdline' % parent),
        'the secret in its memory of the start': secret not in repr(sys.argv) + repr(os.environ),
        'descriptors': kinds,
        'copies of its output': len(copies),
        'low descriptors': [fd for fd in others if fd < 100 and os.get_inheritable(fd)],
        'descriptors for its children': [fd for fd in others if os.get_inheritable(fd)],
        'stdin': os.read(0, 1) == b'',
        'a terminal': not any(map(os.isatty, range(3))),
        'session': os.getsid(0) == os.getpid() == os.getpgid(0),
        'group of its manager': os.getpgid(parent) != os.getpgid(0),
        'a controlling terminal': not os.path.exists('/dev/tty') or not can_open('/dev/tty'),
        'directories': private(home) and private(os.environ['TMPDIR']) and private(os.path.dirname(home)),
        'words': sys.argv == [''],
        'modules': sys.path[0] == home,
        'signals blocked': int(field('SigBlk'), 16),
        'SIGTERM': signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        'shared memory of its manager': [line for line in read('/proc/self/maps').decode().split('\\n') if '/dev/shm' in line],
        'tracing': field('TracerPid') == '0',
    }
def can_open(path):
    try:
        os.close(os.open(path, os.O_RDWR))
        return True
    except OSError:
        return False
`;

const SHELL = `grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -s '\\t' ' '
ls /proc/self/fd | sort -n | tr '\\n' ' '; echo
env | grep -c canary
tr '\\0' ' ' < /proc/$PPID/cmdline | grep -c {secret}
wc -c < /dev/stdin
stat -c %a . "$TMPDIR"
yes | head -n 1
echo "$0"`;

describe.each(MANAGERS)("what user code sees (manager: %s)", (type) => {
  let agent: TestAgent;
  beforeAll(async () => {
    const before = { ...process.env };
    for (const name of CANARIES) process.env[name] = `canary-${name}`;
    try {
      agent = await startTestAgent({ type, workersPerNode: 1 });
    } finally {
      for (const name of CANARIES) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });
  afterAll(() => agent.stop());

  /** What whoever started the tests has left open to all of them, the manager in Node.js passes on as well. */
  const passedOn = () => {
    const links = (pid: number | string | undefined) => {
      const found = new Map<string, string>();
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        try {
          found.set(fd, readlinkSync(`/proc/${pid}/fd/${fd}`));
        } catch {
          // It was closed meanwhile, as that of the listing.
        }
      }
      return found;
    };
    const own = links("self");
    return [...links(agent.manager.pid)].filter(([fd, to]) => Number(fd) > 2 && own.get(fd) === to).map(([fd]) => fd);
  };

  it("W10: a function sees nothing of its manager but its own channel", async () => {
    const fn = agent.register({ runtime: "python", entry: "f" }, PROBES);
    const { value, failure } = await agent.call(fn, ["a secret"]);
    expect(failure).toBeUndefined();
    const seen = value as Record<string, unknown>;
    const inherited = new Set(passedOn());
    const own = Object.entries(seen.descriptors as Record<string, string>).filter(([fd]) => !inherited.has(fd));
    const forChildren = (seen["descriptors for its children"] as number[]).filter((fd) => !inherited.has(String(fd)));
    expect({
      ...seen,
      descriptors: own.map(([, kind]) => kind).sort(),
      "descriptors for its children": forChildren,
    }).toEqual({
      variables: [],
      "variables of its start": true,
      "the secret in variables or words": true,
      "the secret in its memory of the start": true,
      descriptors: ["permits", "socket", "socket"],
      "copies of its output": 2,
      "low descriptors": [],
      "descriptors for its children": [],
      stdin: true,
      "a terminal": true,
      session: true,
      "group of its manager": true,
      "a controlling terminal": true,
      directories: true,
      words: true,
      modules: true,
      "signals blocked": 0,
      SIGTERM: true,
      "shared memory of its manager": [],
      tracing: true,
    });
  });

  it("W10: a command sees as little, and every signal as it should be", async () => {
    const fn = agent.register({ runtime: "command" }, SHELL);
    const { value, failure } = await agent.call(fn, [{ secret: "a secret" }]);
    expect(failure).toBeUndefined();
    const { stdout, stderr } = value as { stdout: string; stderr: string };
    const inherited = new Set(passedOn());
    const lines = stdout.trimEnd().split("\n");
    lines[2] = (lines[2] ?? "")
      .split(" ")
      .filter((fd) => !inherited.has(fd))
      .join(" ");
    // Its pipe to head is closed: yes ends by SIGPIPE, without a word.
    expect([lines, stderr]).toEqual([
      ["SigBlk: 0000000000000000", "SigIgn: 0000000000000000", "0 1 2 3 ", "0", "0", "0", "700", "700", "y", "/bin/sh"],
      "",
    ]);
  });
});
