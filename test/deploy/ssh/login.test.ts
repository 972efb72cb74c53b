import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prompter, Question } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { type StandIn, startStandIn } from "../../support/ssh-server.ts";
import { keygen } from "../../support/sshd.ts";
import { waitFor } from "../../support/wait-for.ts";

let dir: string;
let key: string;
let publicKey: Buffer;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-login-"));
  key = join(dir, "id");
  keygen(key, "ed25519");
  publicKey = readPublicKey(key);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.skipIf(spawnSync("ssh-keygen", ["-?"]).error !== undefined)("a login", () => {
  it("asks for a one-time password and for Duo as the server asks, round by round", async () => {
    await using server = await startStandIn({
      login: ["publickey", "keyboard-interactive"],
      publicKey,
      rounds: [
        {
          name: "SecurID",
          instructions: "Enter \x1b[31mPASSCODE\n",
          prompts: [{ prompt: "PASSCODE: ", echo: false }],
          answers: ["123456"],
        },
        { prompts: [{ prompt: "Duo two-factor login\n 1. Push\nOption (1-1): ", echo: true }], answers: ["1"] },
        // A round without a question, as PAM modules send when they only have something to say; ssh2 keeps it to itself.
        { instructions: "Success. Logging you in...", prompts: [], answers: [] },
      ],
    });
    const person = personWho(["123456", "1"]);
    await using session = await login(server, { person, key });
    expect(session.name).toMatch(/someone@/);
    expect(person.asked).toEqual([
      // With its name, so that it cannot ask in the words of this program or of another host.
      { text: `(someone@127.0.0.1) PASSCODE: `, echo: false },
      { text: "Duo two-factor login\n 1. Push\n(someone@127.0.0.1) Option (1-1): ", echo: true },
    ]);
    expect(person.shown).toEqual(["SecurID", "Enter PASSCODE"]);
  });

  it("tries a wrong one-time password once: who tries often is locked out", async () => {
    await using server = await startStandIn({
      login: ["keyboard-interactive"],
      rounds: [{ prompts: ["PASSCODE: "], answers: ["right"] }],
    });
    const person = personWho(["wrong", "right"]);
    await expect(login(server, { person })).rejects.toMatchObject({ code: "SSH_LOGIN_REFUSED" });
    expect(server.attempts).toEqual(["keyboard-interactive wrong"]);
    expect(server.connections()).toBe(1);
  });

  it("answers no prompt by itself: with nobody to ask, it ends and says what was asked", async () => {
    await using server = await startStandIn({
      login: ["keyboard-interactive"],
      rounds: [{ prompts: ["Password: "], answers: ["x"] }],
    });
    const nobody: Prompter = {
      ask: async ({ text }) => {
        throw new Error(`there is no terminal to ask on: ${text}`);
      },
      show() {},
    };
    await expect(login(server, { person: nobody })).rejects.toThrow(/no terminal to ask on: .*Password/);
    // An empty answer would count as a wrong one.
    expect(server.attempts).toEqual([]);
  });

  it("of a program alone sends its key and nothing that a person would type", async () => {
    const nobody: Prompter = { ...personWho([]), unattended: true };
    await using both = await startStandIn({ login: ["publickey", "keyboard-interactive"], publicKey, rounds: [] });
    await expect(login(both, { person: nobody, key })).rejects.toMatchObject({
      code: "SSH_LOGIN_REFUSED",
      message: expect.stringContaining("only a person can type"),
    });
    expect(both.attempts.at(-1)).toBe("publickey signed");
    await using password = await startStandIn({ login: ["password"], password: "" });
    await expect(login(password, { person: nobody })).rejects.toMatchObject({ code: "SSH_LOGIN_REFUSED" });
    expect(password.attempts).toEqual([]);
    await using plain = await startStandIn({ login: ["publickey"], publicKey });
    await using session = await login(plain, { person: nobody, key });
    expect(session.name).toMatch(/someone@/);
  });

  it("asks for a password where the server takes one, and sends it once", async () => {
    await using server = await startStandIn({ login: ["password"], password: "secret" });
    const person = personWho(["secret"]);
    await using _session = await login(server, { person });
    expect(person.asked).toEqual([{ text: expect.stringMatching(/^Password of someone@/), echo: false }]);
    await expect(login(server, { person: personWho(["wrong"]) })).rejects.toMatchObject({
      code: "SSH_LOGIN_REFUSED",
      message: expect.stringContaining("the server refused the password"),
    });
    expect(server.attempts).toEqual(["password secret", "password wrong"]);
  });

  it("opens a key with its passphrase", async () => {
    const locked = join(dir, "locked");
    keygen(locked, "ed25519", "open sesame");
    await using server = await startStandIn({ login: ["publickey"], publicKey: readPublicKey(locked) });
    const person = personWho(["open sesame"]);
    await using _session = await login(server, { person, key: locked });
    expect(person.asked).toEqual([{ text: `Passphrase of ${locked}: `, echo: false }]);
    await using again = await startStandIn({ login: ["publickey"], publicKey: readPublicKey(locked) });
    await using _second = await login(again, { person: personWho(["wrong", "worse", "open sesame"]), key: locked });
    await expect(
      login(server, { person: personWho(["a", "b", "c", "open sesame"]), key: locked }),
    ).rejects.toMatchObject({
      code: "SSH_LOGIN_REFUSED",
      message: expect.stringContaining("locked, not used: its passphrase was wrong"),
    });
    const nobody: Prompter = { ...personWho([]), unattended: true };
    await expect(login(server, { person: nobody, key: locked })).rejects.toThrow(/it has a passphrase.*ssh-add/);
    chmodSync(locked, 0o644);
    await expect(login(server, { person, key: locked })).rejects.toThrow(/others may read it; chmod 600/);
    expect(server.attempts).toEqual(["publickey offered", "publickey signed"]);
  });

  it("takes a key that an agent alone has by its public file, with IdentitiesOnly", async () => {
    const socket = join(dir, "agent2.sock");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    try {
      const only = join(dir, "hardware");
      keygen(only, "ed25519");
      const agentEnv = { ...process.env, SSH_AUTH_SOCK: socket };
      await waitFor(() => spawnSync("ssh-add", ["-l"], { env: agentEnv }).status === 1);
      for (const name of [key, only]) execFileSync("ssh-add", ["-q", name], { env: agentEnv, stdio: "ignore" });
      rmSync(only);
      await using server = await startStandIn({ login: ["publickey"], publicKey: readPublicKey(only) });
      const options = { person: personWho([]), key: `${only}.pub`, agent: socket, lines: ["IdentitiesOnly yes"] };
      await using _session = await login(server, options);
      expect(server.attempts).toEqual(["publickey offered", "publickey signed"]);
    } finally {
      agent.kill();
    }
  });

  it("does not try what the configuration forbids, and says so", async () => {
    await using server = await startStandIn({ login: ["password"], password: "secret" });
    for (const line of ["PasswordAuthentication no", "PreferredAuthentications publickey"]) {
      const tried = login(server, { person: personWho(["secret"]), lines: [line] });
      await expect(tried).rejects.toThrow(/the server takes password, which the SSH configuration forbids/);
    }
    const batch = login(server, { person: personWho(["secret"]), lines: ["BatchMode yes"] });
    await expect(batch).rejects.toMatchObject({ code: "SSH_LOGIN_REFUSED" });
    expect(server.attempts).toEqual([]);
  });

  it("lets the agent sign, one key after the other, and goes on to the one-time password after it", async () => {
    const socket = join(dir, "agent.sock");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    try {
      const add = (name: string) =>
        execFileSync("ssh-add", ["-q", name], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: "ignore" });
      const other = join(dir, "other");
      const third = join(dir, "third");
      for (const name of [other, third]) keygen(name, "rsa");
      await waitFor(
        () => spawnSync("ssh-add", ["-l"], { env: { ...process.env, SSH_AUTH_SOCK: socket } }).status === 1,
      );
      for (const name of [other, key, third]) add(name);
      await using server = await startStandIn({
        login: ["publickey", "keyboard-interactive"],
        publicKey,
        rounds: [{ prompts: ["Code: "], answers: ["7"] }],
      });
      await using _session = await login(server, { person: personWho(["7"]), agent: socket });
      expect(server.attempts.filter((attempt) => attempt === "publickey signed")).toHaveLength(1);
      expect(server.attempts.at(-1)).toBe("keyboard-interactive 7");
    } finally {
      agent.kill();
    }
  });

  it("fails what is under way when the connection is cut, and ends what takes too long", async () => {
    await using server = await startStandIn({ login: ["publickey"], publicKey, onExec() {} });
    const session = await login(server, { person: personWho([]), key });
    await expect(session.exec(["sleep", "9"], { timeoutMs: 100 })).rejects.toMatchObject({
      code: "SSH_FAILED",
      message: expect.stringContaining("0.1 s"),
    });
    // More than may be under way at once: those that wait fail, too.
    const commands = Array.from({ length: 9 }, () => session.exec(["sleep", "9"], { timeoutMs: 60_000 }));
    const ends = Promise.allSettled(commands);
    server.cut();
    for (const end of await ends) expect(end).toMatchObject({ status: "rejected", reason: { code: "SSH_FAILED" } });
    await session.closed;
  });

  it("has at most six commands under way at once", async () => {
    let running = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    await using server = await startStandIn({
      login: ["publickey"],
      publicKey,
      onExec(command, channel) {
        most = Math.max(most, ++running);
        const mark = /farcall-[0-9a-f]+/.exec(command)?.[0];
        ends.push(() => {
          running--;
          channel.write(`\n${mark}<\nhi\n${mark}0>\n`);
          channel.exit(0);
          channel.end();
        });
      },
    });
    await using session = await login(server, { person: personWho([]), key });
    const commands = Promise.all(Array.from({ length: 20 }, () => session.exec(["true"], { timeoutMs: 60_000 })));
    for (let ended = 0; ended < 20; ended++) {
      await waitFor(() => ends.length > 0);
      ends.shift()?.();
    }
    expect((await commands).every(({ stdout, code }) => stdout === "hi" && code === 0)).toBe(true);
    expect(most).toBe(6);
  });
});

function personWho(answers: string[]): Prompter & { asked: Question[]; shown: string[] } {
  const asked: Question[] = [];
  const shown: string[] = [];
  return {
    asked,
    shown,
    async ask(question) {
      asked.push(question);
      return answers.shift() ?? "";
    },
    show: (text) => void shown.push(text),
  };
}

async function login(server: StandIn, options: { person: Prompter; key?: string; agent?: string; lines?: string[] }) {
  const configFile = join(dir, "config");
  const agent = options.agent ?? "none";
  const identity = options.key ?? join(dir, "nothing");
  writeFileSync(
    configFile,
    `Host *\n  IdentityFile ${identity}\n  IdentityAgent ${agent}\n  UserKnownHostsFile ${join(dir, "known")}\n  GlobalKnownHostsFile /dev/null\n${(options.lines ?? []).map((line) => `  ${line}\n`).join("")}`,
  );
  const session = await openSession(`someone@127.0.0.1:${server.port}`, {
    env: process.env,
    configFile,
    prompter: options.person,
    acceptNewHostKey: true,
    signal: new AbortController().signal,
  });
  const close = async () => {
    session.close();
    await session.closed;
  };
  return { ...session, [Symbol.asyncDispose]: close };
}

function readPublicKey(name: string): Buffer {
  return Buffer.from(readFileSync(`${name}.pub`, "utf8").split(" ")[1] as string, "base64");
}
