/** `RevokedHostKeys`: a list of keys, or OpenSSH's binary form of one, which ssh-keygen alone can read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import { findOnPath, run } from "../command.ts";
import type { Environment } from "../directories.ts";
import { parseCertificate } from "./host-certificate.ts";
import { keyType } from "./known-hosts.ts";

const BINARY = "SSHKRL";
const ASK_MS = 15_000;

/** Whether the list names a key. Throws SSH_HOST_KEY when it cannot be read: then no host is trusted, as OpenSSH has it. */
export function isRevokedBy(file: string, key: Buffer, env: Environment): Promise<boolean> {
  return isNamedIn(file, { shown: key, key }, env);
}

/** The same for a certificate of a host: its authority may be named, and in the binary form its serial number or its name. */
export function isCertificateRevokedBy(file: string, certificate: Buffer, env: Environment): Promise<boolean> {
  return isNamedIn(file, { shown: certificate, key: parseCertificate(certificate).authority }, env);
}

async function isNamedIn(
  file: string,
  { shown, key }: { shown: Buffer; key: Buffer },
  env: Environment,
): Promise<boolean> {
  let list: Buffer;
  try {
    list = readFileSync(file);
  } catch (cause) {
    throw new ApiError("SSH_HOST_KEY", `RevokedHostKeys of the SSH configuration: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (list.toString("latin1", 0, BINARY.length) !== BINARY) {
    const base64 = key.toString("base64");
    return list
      .toString("utf8")
      .split("\n")
      .some((line) => !line.startsWith("#") && line.split(/\s+/).includes(base64));
  }
  const keygen = await findOnPath("ssh-keygen", env);
  if (!keygen) {
    throw new ApiError(
      "SSH_HOST_KEY",
      `${file} is for ssh-keygen to read, and there is none: install OpenSSH's client`,
    );
  }
  const dir = mkdtempSync(join(tmpdir(), "farcall-key-"));
  try {
    const path = join(dir, "key.pub");
    writeFileSync(path, `${keyType(shown)} ${shown.toString("base64")}\n`);
    await run(keygen, ["-Q", "-f", file, path], { timeoutMs: ASK_MS, env });
    return false;
  } catch {
    // It says by its exit code that a key is revoked, or that it could not be asked: neither is trusted.
    return true;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
