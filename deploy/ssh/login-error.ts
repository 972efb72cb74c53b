/** What a login that failed means, and what to do about it. */
import { existsSync } from "node:fs";
import { ApiError } from "../../protocol/errors.ts";
import { BY_SSH, type SshHost } from "./host.ts";
import type { Login } from "./login.ts";

/** By what ssh2 says that both sides have none of in common. */
const OPTIONS: Readonly<Record<string, string>> = {
  "key exchange": "KexAlgorithms +diffie-hellman-group14-sha1",
  "host key": "HostKeyAlgorithms +ssh-rsa",
  cipher: "Ciphers +aes256-cbc",
  MAC: "MACs +hmac-md5",
};

/** An error of the handshake, in words. */
export function meaningOf(error: Error & { level?: string }, host: SshHost, login: Login): ApiError {
  const who = `${host.user}@${host.host}`;
  const trouble = login.trouble();
  if (error.level === "client-authentication" || trouble) {
    const tried = login.tried();
    const how = tried.length > 0 ? `tried ${tried.join(", ")}` : "there was nothing to try";
    const why = trouble ? trouble.message : (refusalOfTyped(tried) ?? refusal(host, login.taken()));
    return new ApiError("SSH_LOGIN_REFUSED", `cannot log in as ${who}: ${why} (${how})`, { cause: error });
  }
  if (error.level === "client-timeout") {
    return new ApiError("SSH_FAILED", `${who}: no login within the time that a handshake may take`, { cause: error });
  }
  const old = /no matching .*?(key exchange|host key|cipher|MAC)/.exec(error.message)?.[1];
  if (old === undefined) return unreachable(host, error);
  const how = `for an old server, \`${OPTIONS[old]}\` for it in the SSH configuration may help`;
  return unreachable(host, new Error(`${error.message}; ${how}`, { cause: error }));
}

/** A host that is not reached. */
export function unreachable(host: SshHost, cause: Error): ApiError {
  return new ApiError("SSH_FAILED", `${host.host} port ${host.port}: ${cause.message}`, { cause });
}

/** A refusal of what a person typed: that the server takes such answers is no news then. */
function refusalOfTyped(tried: readonly string[]): string | undefined {
  if (tried.at(-1) === "keyboard-interactive")
    return "the server refused the answers: mistyped, used already, or out of date?";
  if (tried.at(-1) === "password") return "the server refused the password";
  return undefined;
}

/** What the server would have taken, and the way that is left where only OpenSSH can do that. */
function refusal(host: SshHost, taken: readonly string[]): string {
  const known = taken.filter((method) => (host.methods as readonly string[]).includes(method));
  const forbidden = taken.filter((method) => !known.includes(method));
  const only = taken.length > 0 ? `the server takes ${taken.join(", ")}` : "the server refused";
  const certified = host.identityFiles.some((file) => existsSync(`${file.replace(/\.pub$/, "")}-cert.pub`));
  const byCertificate = taken.includes("publickey") && (certified || host.certificateFiles.length > 0);
  if (byCertificate) return `${only}; certificates of users are sent by ssh alone: ${BY_SSH}`;
  if (taken.some((method) => /^(gssapi|hostbased)/.test(method))) {
    return `${only}; Kerberos and host-based logins are for ssh alone: ${BY_SSH}`;
  }
  if (forbidden.length > 0 && known.length === 0) return `${only}, which the SSH configuration forbids`;
  return only;
}
