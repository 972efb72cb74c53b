/** Whatever a configuration says, it is read here as the real ssh reads it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSshConfig } from "../../../deploy/ssh/config-parser.ts";
import { hostOf, type SshHost } from "../../../deploy/ssh/host.ts";

const hasSsh = spawnSync("ssh", ["-V"]).error === undefined;
const env = { ...process.env, FARCALL_TEST_KEYS: "/keys" };
let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-ssh-config-"));
  file = join(dir, "config");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const VALUES: Readonly<Record<string, readonly string[]>> = {
  HostName: ["real.%h", "10.0.0.1", "Upper.Site", "a%%b"],
  Port: ["22", "2222"],
  User: ["me", '"you"', "x # y"],
  IdentityFile: ["/k/one", '"/k/with space"', "~/.ssh/%h-%r", `\${FARCALL_TEST_KEYS}/two`, "none"],
  CertificateFile: ["/k/one-cert.pub", "~/c-%p.pub", "none"],
  IdentitiesOnly: ["yes", "no"],
  IdentityAgent: ["none", "SSH_AUTH_SOCK", "/run/agent", "$HOME", "~/agent"],
  ProxyJump: ["gate", "none", "NONE", "me@one:7,two"],
  ProxyCommand: ["nc %h %p", "none", 'ssh -W "[%h]:%p" gate # not a comment', "nc -X connect -x p:1 %h %p"],
  StrictHostKeyChecking: ["yes", "no", "ask", "accept-new", "off"],
  UserKnownHostsFile: ["/a /b", "~/.ssh/%k", "none", "/dev/null"],
  GlobalKnownHostsFile: ["/g", "/g /h"],
  HostKeyAlias: ["other", "Third"],
  HashKnownHosts: ["yes", "no"],
  RevokedHostKeys: ["/r", "none"],
  ConnectTimeout: ["3", "1m", "none"],
  ServerAliveInterval: ["0", "9", "2m", "none"],
  ServerAliveCountMax: ["1", "9"],
  PreferredAuthentications: ["publickey", "password,keyboard-interactive", "gssapi-with-mic,publickey"],
  PasswordAuthentication: ["no", "yes"],
  KbdInteractiveAuthentication: ["no", "yes"],
  ChallengeResponseAuthentication: ["no", "yes"],
  PubkeyAuthentication: ["no", "yes"],
  BatchMode: ["yes", "no"],
  AddressFamily: ["inet", "inet6", "any"],
  BindAddress: ["127.0.0.1"],
  SetEnv: ["A=1", 'A=1 B="2 3"', "C=x=y"],
  KexAlgorithms: ["+diffie-hellman-group14-sha1", "diffie-hellman-group14-sha256", "-ecdh-*", "^curve25519-sha256"],
  Ciphers: ["aes256-ctr", "+aes256-cbc", "-*gcm*"],
  MACs: ["hmac-sha2-512", "+hmac-md5"],
  HostKeyAlgorithms: ["+ssh-rsa", "ssh-ed25519", "-ecdsa-*"],
};
const COMPARED: readonly (keyof SshHost)[] = [
  ...(["host", "port", "user", "hostKeyAlias", "certificateFiles", "identitiesOnly", "identityAgent"] as const),
  ...(["methods", "batchMode", "knownHosts", "revokedHostKeys", "hashKnownHosts", "strict", "jumps"] as const),
  ...(["proxyCommand", "family", "bindAddress", "connectTimeoutMs", "keepalive", "setEnv"] as const),
];

const option = fc
  .constantFrom(...Object.keys(VALUES))
  .chain((key) =>
    fc.tuple(fc.constantFrom(key, key.toLowerCase(), key.toUpperCase()), fc.constantFrom(...(VALUES[key] as string[]))),
  );
const line = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(option, fc.constantFrom(" ", "  ", "=", " = ", "\t")) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const block = fc.record({
  hosts: fc.subarray(["a", "b", "*", "login.*", "!b", "?", '"a"'], { minLength: 1 }),
  lines: fc.array(line, { maxLength: 7 }),
});

describe.skipIf(!hasSsh)("a configuration", () => {
  it.each([
    ["ConnectTimeout none", "ConnectTimeout 3"],
    ["ServerAliveInterval none", "ServerAliveInterval 3"],
    ["ProxyJump none", "ProxyCommand nc %h"],
    ["ProxyCommand none", "ProxyJump gate"],
    ["ProxyJump none", "ProxyJump gate"],
    ["IdentityAgent none", "IdentityAgent /a"],
    ["UserKnownHostsFile none", "UserKnownHostsFile /a"],
    ["RevokedHostKeys None", "RevokedHostKeys /r"],
  ])("is read as ssh reads it where `none` comes before a value: %s, %s", (...lines) => {
    writeFileSync(file, `${["Host a", ...lines].join("\n")}\n`);
    const { stdout } = spawnSync("ssh", ["-F", file, "-G", "a"], { encoding: "utf8", env });
    const [here, exact] = [parseSshConfig("a", { env, configFile: file }), hostOf("a", stdout, env)];
    for (const key of COMPARED) expect(here[key], key).toEqual(exact[key]);
  });

  it("is read without ssh as ssh reads it, and what ssh refuses is never taken for something else", () => {
    fc.assert(
      fc.property(
        fc.array(block, { maxLength: 4 }),
        fc.constantFrom("a", "b", "site", "login.site"),
        (blocks, name) => {
          const text = blocks.map(({ hosts, lines }) => [
            `Host ${hosts.join(" ")}`,
            ...lines.map((said) => (said === undefined ? "  # User nobody" : `  ${said[0][0]}${said[1]}${said[0][1]}`)),
          ]);
          writeFileSync(file, `${text.flat().join("\n")}\n`);
          const asked = spawnSync("ssh", ["-F", file, "-G", name], { encoding: "utf8", env });
          const here = outcome(() => parseSshConfig(name, { env, configFile: file }));
          if (asked.status !== 0) return;
          const exact = outcome(() => hostOf(name, asked.stdout, env));
          for (const key of COMPARED)
            expect(pick(here, key), `${key} of\n${text.flat().join("\n")}`).toEqual(pick(exact, key));
          if (typeof here === "string" || typeof exact === "string") return;
          // Without a line of its own, each has its own list of standard keys.
          if (/identityfile (?!~\/\.ssh\/id_)/.test(asked.stdout))
            expect(here.identityFiles).toEqual(exact.identityFiles);
          for (const kind of ["kex", "cipher", "hmac", "serverHostKey"] as const)
            expect([...here.algorithms[kind]].sort(), kind).toEqual([...exact.algorithms[kind]].sort());
        },
      ),
      { numRuns: 150 },
    );
  });
});

function outcome(read: () => SshHost): SshHost | string {
  try {
    return read();
  } catch (error) {
    return (error as Error).message;
  }
}

function pick(host: SshHost | string, key: keyof SshHost): unknown {
  return typeof host === "string" ? host : host[key];
}
