import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTarget, resolveHost } from "../../../deploy/ssh/config.ts";
import { parseSshConfig } from "../../../deploy/ssh/config-parser.ts";
import { resolveRoute } from "../../../deploy/ssh/route.ts";

const hasSsh = spawnSync("ssh", ["-V"]).error === undefined;
const env = process.env;
let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-ssh-config-"));
  file = join(dir, "config");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("a target", () => {
  it("is [user@]host[:port], and nothing that could be an option of ssh", () => {
    expect(parseTarget("me@login.site:2222")).toEqual({ user: "me", host: "login.site", port: 2222 });
    expect(parseTarget("ssh://me@login.site/")).toEqual({ user: "me", host: "login.site" });
    expect(parseTarget("[2001:db8::7]:22")).toEqual({ host: "2001:db8::7", port: 22 });
    expect(parseTarget("2001:db8::7")).toEqual({ host: "2001:db8::7" });
    for (const wrong of ["", "-oProxyCommand=x", "me@-h", "-x@host", "a b", "host:0", "host:70000", "me@"]) {
      expect(() => parseTarget(wrong), wrong).toThrow(/host/);
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => {
        try {
          const { host, user } = parseTarget(text);
          expect(`${host} ${user ?? ""}`).not.toMatch(/^-| -|[\n\r\0]/);
        } catch (error) {
          expect(error).toMatchObject({ code: "CONFIG_INVALID" });
        }
      }),
    );
  });
});

describe.skipIf(!hasSsh)("the SSH configuration", () => {
  it("is what ssh -G says, Match and Include included", async () => {
    writeFileSync(join(dir, "more"), "Host cluster\n  User me\n  IdentityFile ~/.ssh/cluster\n");
    writeFileSync(
      file,
      `Include ${join(dir, "more")}\nMatch host cluster exec "true"\n  Port 2200\nHost cluster\n  HostName login.site\n  ProxyJump gate,you@second:23\n  UserKnownHostsFile ~/a ~/b\n  StrictHostKeyChecking accept-new\n  ConnectTimeout 7\n  HostKeyAlias login\n  IdentitiesOnly yes\n`,
    );
    const host = await resolveHost("cluster", { env, configFile: file });
    expect(host).toMatchObject({
      alias: "cluster",
      host: "login.site",
      port: 2200,
      user: "me",
      jumps: ["gate", "you@second:23"],
      strict: "accept-new",
      connectTimeoutMs: 7_000,
      hostKeyAlias: "login",
      identitiesOnly: true,
    });
    expect(host.identityFiles.at(-1)).toMatch(/^\/.*\/\.ssh\/cluster$/);
    expect(host.knownHosts.slice(0, 2).every((path) => /^\/.*\/[ab]$/.test(path))).toBe(true);
    expect(await resolveHost("other@cluster:9", { env, configFile: file })).toMatchObject({ user: "other", port: 9 });
  });

  it("is not guessed at where only OpenSSH can read it, and what would weaken it is refused", () => {
    const reading = (text: string) => () => {
      writeFileSync(file, text);
      return parseSshConfig("a", { env, configFile: file });
    };
    expect(reading("Match all\n  User me\n")).toThrow(/config:1: .*Match line, which only OpenSSH can read/);
    expect(reading("Include /etc/more\n")).toThrow(/Include line/);
    expect(reading("CanonicalizeHostname yes\n")).toThrow(/CanonicalizeHostname line/);
    expect(reading('User "me\n')).toThrow(/quote that is not closed/);
    expect(reading("KnownHostsCommand /bin/keys %H\n")).toThrow(/KnownHostsCommand.*ControlMaster auto/);
    expect(reading("ProxyUseFdpass yes\n")).toThrow(/ProxyUseFdpass/);
    expect(reading("IdentityFile ~/%X\n")).toThrow(/%X in IdentityFile/);
    expect(reading(`IdentityFile \${FARCALL_NOT_SET}/key\n`)).toThrow(/FARCALL_NOT_SET.*not set/);
    expect(reading("KexAlgorithms sntrup761x25519-sha512@openssh.com\n")).toThrow(/KexAlgorithms .*allows none/);
    expect(reading("Host b\n  Match-nothing x\nHost a\n  Port 7\n")()).toMatchObject({ port: 7 });
  });

  it("leads through jump hosts in order, those of the first jump host before it, and not in circles", async () => {
    writeFileSync(
      file,
      "Host site\n  ProxyJump second,third\nHost second\n  ProxyJump first\nHost third\n  ProxyJump ignored\nHost loop\n  ProxyJump pool\nHost pool\n  ProxyJump loop\n",
    );
    const route = async (target: string, jump?: string) =>
      (await resolveRoute(target, { env, configFile: file, jump })).map((host) => host.alias);
    expect(await route("site")).toEqual(["first", "second", "third", "site"]);
    expect(await route("site", "none")).toEqual(["site"]);
    expect(await route("site", "me@other:99")).toEqual(["other", "site"]);
    await expect(route("loop")).rejects.toThrow(/jump hosts/);
  });
});
