import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { processesUnder } from "../../support/processes.ts";
import { clientConfig, SSHD, startSshd, type TestSshd } from "../../support/sshd.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("ProxyCommand, on real sshds", () => {
  let gate: TestSshd & AsyncDisposable;
  let site: TestSshd & AsyncDisposable;
  const shown: string[] = [];
  beforeAll(async () => {
    gate = await startSshd();
    site = await startSshd();
  });
  afterAll(async () => {
    await gate?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });
  async function login(target: string, lines: string[], options: { jump?: string; env?: NodeJS.ProcessEnv } = {}) {
    const configFile = clientConfig({ gate, site }, { site: lines });
    shown.length = 0;
    const prompter: Prompter = {
      ask: () => Promise.reject(new Error("nobody")),
      show: (text) => void shown.push(text),
    };
    const { jump, env = process.env } = options;
    const signal = new AbortController().signal;
    return openSession(target, { env, configFile, prompter, acceptNewHostKey: false, signal, jump });
  }
  async function whereIs(target: string, lines: string[], options: { jump?: string; env?: NodeJS.ProcessEnv } = {}) {
    const session = await login(target, lines, options);
    const { stdout } = await session.exec(["sh", "-c", "echo $FARCALL_TEST_SITE"], { timeoutMs: 20_000 });
    session.close();
    await session.closed;
    return stdout.trim();
  }
  /** A file that tells how it was called and carries the connection. */
  function relay(): string {
    const path = join(gate.dir, "relay");
    const carry =
      "import os,select,socket,sys\ns=socket.create_connection((sys.argv[1],int(sys.argv[2])))\nwhile True:\n r,_,_=select.select([0,s],[],[])\n for f in r:\n  d=os.read(0,65536) if f==0 else s.recv(65536)\n  if not d: sys.exit()\n  s.sendall(d) if f==0 else os.write(1,d)";
    const text = `#!/bin/sh\nprintf '%s|' "$@" >'${gate.dir}/argv'\necho "shell $0" >>'${gate.dir}/argv'\necho "through the relay" >&2\nexec python3 -c '${carry}' "$1" "$2"\n`;
    writeFileSync(path, text);
    chmodSync(path, 0o755);
    return path;
  }

  it("leads through another ssh, as most sites' users have it; the key that counts is the target's", async () => {
    const gateConfig = join(gate.dir, "gate_config");
    clientConfig({ gate });
    writeFileSync(gateConfig, readFileSync(join(gate.dir, "ssh_config")));
    const line = `ProxyCommand ssh -F ${gateConfig} -W %h:%p gate`;
    expect(await whereIs("site", [line])).toBe(site.dir);
    expect(gate.log()).toMatch(/Accepted publickey/);
    // The gate's key says nothing of the site.
    const known = join(gate.dir, "known_hosts");
    const config = clientConfig({ gate, site }, { site: [line] });
    writeFileSync(known, gate.knownHost);
    const prompter: Prompter = { ask: () => Promise.reject(new Error("nobody")), show() {} };
    const signal = new AbortController().signal;
    const refused = openSession("site", {
      env: process.env,
      configFile: config,
      prompter,
      acceptNewHostKey: false,
      signal,
    });
    await expect(refused).rejects.toMatchObject({
      code: "SSH_HOST_KEY",
      message: expect.stringContaining(`:${site.port} shows`),
    });
  });

  it("has its tokens filled in, runs in the user's shell, and what it says is shown", async () => {
    const shell = join(gate.dir, "my-shell");
    writeFileSync(shell, `#!/bin/sh\necho "$1 $2" >'${gate.dir}/shell'\nexec /bin/sh "$@"\n`);
    chmodSync(shell, 0o755);
    const command = `${relay()} %h %p %n %r 100%%`;
    expect(await whereIs("site", [`ProxyCommand ${command}`], { env: { ...process.env, SHELL: shell } })).toBe(
      site.dir,
    );
    const argv = readFileSync(join(gate.dir, "argv"), "utf8");
    expect(argv).toContain(`127.0.0.1|${site.port}|site|${site.user}|100%|`);
    expect(readFileSync(join(gate.dir, "shell"), "utf8")).toMatch(/^-c exec .*relay 127\.0\.0\.1/);
    expect(shown).toContain("through the relay");
  });

  it("ends with the connection, also one that takes no notice of its end", async () => {
    const stubborn = join(gate.dir, "stubborn");
    writeFileSync(
      stubborn,
      `#!/bin/sh\ntrap '' HUP TERM\n'${relay()}' "$@"\nexec python3 -c 'import time; time.sleep(60)' stubborn ${gate.dir}\n`,
    );
    chmodSync(stubborn, 0o755);
    const session = await login("site", [`ProxyCommand ${stubborn} %h %p`]);
    const running = () => processesUnder(gate.dir).filter((command) => command.includes("stubborn"));
    expect(running()).not.toEqual([]);
    session.close();
    await session.closed;
    await expect.poll(running, { timeout: 15_000 }).toEqual([]);
  });

  it("that fails says why, once", async () => {
    const failing = login("site", [`ProxyCommand sh -c "echo 'no route to gate' >&2; exit 3"`]);
    await expect(failing).rejects.toMatchObject({
      code: "SSH_FAILED",
      message: expect.stringMatching(/port \d+: its ProxyCommand ended with 3: no route to gate$/),
    });
    const missing = login("site", ["ProxyCommand farcall-no-such-program %h"]);
    await expect(missing).rejects.toThrow(/ProxyCommand ended with 127: .*not found/);
  });

  it("gives way to jump hosts that are asked for, and `none` is none", async () => {
    const line = "ProxyCommand exit 9";
    expect(await whereIs("site", [line], { jump: "gate" })).toBe(site.dir);
    expect(await whereIs("site", [line], { jump: "none" })).toBe(site.dir);
    expect(await whereIs("site", ["ProxyCommand none"])).toBe(site.dir);
    await expect(whereIs("site", [line])).rejects.toMatchObject({ code: "SSH_FAILED" });
  });

  it("is not run with a name that the shell would take for a command", async () => {
    const proof = join(gate.dir, "proof");
    await expect(login(`a$(touch${"\t"}${proof})`, [])).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(login("a;id", [])).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const lines = [`ProxyCommand nc %h %p`, `HostKeyAlias x`];
    const config = join(gate.dir, "evil_config");
    writeFileSync(config, `Host evil\n  HostName "\`touch ${proof}\`"\n${lines.map((text) => `  ${text}\n`).join("")}`);
    const prompter: Prompter = { ask: () => Promise.reject(new Error("nobody")), show() {} };
    const signal = new AbortController().signal;
    const evil = openSession("evil", {
      env: process.env,
      configFile: config,
      prompter,
      acceptNewHostKey: true,
      signal,
    });
    await expect(evil).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(existsSync(proof)).toBe(false);
  });

  it.skipIf(spawnSync("nc", ["-h"]).error !== undefined)("leads through an HTTP proxy by nc", async () => {
    const { startConnectProxy } = await import("../../support/connect-proxy.ts");
    await using proxy = await startConnectProxy();
    const where = new URL(proxy.url);
    expect(await whereIs("site", [`ProxyCommand nc -X connect -x 127.0.0.1:${where.port} %h %p`])).toBe(site.dir);
  });

  it("agrees with ssh itself", () => {
    const config = clientConfig({ gate, site }, { site: [`ProxyCommand ${relay()} %h %p`] });
    const words = ["-F", config, "-o", "BatchMode=yes", "site", "echo $FARCALL_TEST_SITE"];
    expect(execFileSync("ssh", words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()).toBe(site.dir);
  });
});
