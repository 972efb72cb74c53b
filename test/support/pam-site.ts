/** A real sshd with real PAM: a throw-away user with a password and one-time passwords (HOTP). Root alone can make one. */
import { execFileSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SSHD, startSshd, type TestSshd } from "./sshd.ts";

const MODULES = [
  "/lib/x86_64-linux-gnu/security",
  "/lib/aarch64-linux-gnu/security",
  "/lib64/security",
  "/lib/security",
];

/** Whether one can be made here. */
export const HAS_PAM =
  SSHD !== undefined &&
  process.getuid?.() === 0 &&
  existsSync("/usr/sbin/useradd") &&
  MODULES.some((folder) => existsSync(join(folder, "pam_oath.so")));

export type PamSite = TestSshd & {
  password: string;
  /** the next one-time password */
  code(): string;
  /** The password has to be changed at the next login. */
  expire(): void;
};

/** Starts one; `await using` ends it and removes the user. `methods` as AuthenticationMethods has them. */
export async function startPamSite(options: {
  methods: string;
  askPassword: boolean;
}): Promise<PamSite & AsyncDisposable> {
  const user = `fc${randomBytes(4).toString("hex")}`;
  const dir = mkdtempSync(join(tmpdir(), "farcall-pam-"));
  chmodSync(dir, 0o755);
  // sshd looks for the PAM service of its own name: that of the machine's sshd stays as it is.
  const program = join(dir, user);
  const service = `/etc/pam.d/${user}`;
  copyFileSync(SSHD as string, program);
  const password = `pw-${randomBytes(9).toString("hex")}`;
  const secret = randomBytes(20);
  const menu = join(dir, "menu");
  const users = join(dir, "users.oath");
  writeFileSync(menu, "Duo two-factor login for %u\n\n 1. Duo Push\n 2. Phone call\n");
  writeFileSync(users, `HOTP ${user} - ${secret.toString("hex")}\n`, { mode: 0o600 });
  const lines = [
    ...(options.askPassword ? ["auth required pam_unix.so nodelay"] : []),
    `auth optional pam_echo.so file=${menu}`,
    `auth required pam_oath.so usersfile=${users} window=20 digits=6`,
    "account required pam_unix.so",
    "password required pam_unix.so",
    "session required pam_permit.so",
  ];
  let sshd: (TestSshd & AsyncDisposable) | undefined;
  const remove = async () => {
    await sshd?.[Symbol.asyncDispose]();
    rmSync(service, { force: true });
    rmSync(dir, { recursive: true, force: true });
    execFileSync("userdel", ["-f", user], { stdio: "ignore" });
  };
  execFileSync("useradd", ["-M", "-d", dir, "-s", "/bin/sh", user]);
  try {
    execFileSync("chpasswd", { input: `${user}:${password}\n` });
    writeFileSync(service, lines.map((line) => `${line}\n`).join(""));
    const config = ["UsePAM yes", "KbdInteractiveAuthentication yes", `AuthenticationMethods ${options.methods}`];
    sshd = await startSshd({ program, config: [...config, `AllowUsers ${user}`] });
  } catch (error) {
    await remove();
    throw error;
  }
  // The user reads them.
  for (const path of [sshd.dir, join(sshd.dir, "authorized_keys")]) chmodSync(path, 0o755);
  let counter = 0n;
  return {
    ...sshd,
    user,
    password,
    code: () => hotp(secret, counter++),
    expire: () => void execFileSync("chage", ["-d", "0", user]),
    [Symbol.asyncDispose]: remove,
  };
}

/** RFC 4226, six digits. */
function hotp(secret: Buffer, counter: bigint): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(counter);
  const hash = createHmac("sha1", secret).update(message).digest();
  const at = (hash[19] as number) & 0xf;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
