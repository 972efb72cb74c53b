/** Which algorithms are spoken with a host: those that are here, as far as its configuration allows them. Pure. */
import type { CipherAlgorithm, KexAlgorithm, MacAlgorithm, ServerHostKeyAlgorithm } from "ssh2";
import { ApiError } from "../../protocol/errors.ts";
import { matchesPattern } from "./known-hosts.ts";

export type Algorithms = {
  kex: KexAlgorithm[];
  cipher: CipherAlgorithm[];
  hmac: MacAlgorithm[];
  serverHostKey: ServerHostKeyAlgorithm[];
};

type Choice<T extends string> = {
  /** as the configuration calls it */
  option: string;
  /** best first */
  standard: readonly T[];
  /** what old servers need, for those whose configuration names it */
  old: readonly T[];
};

const KEX: Choice<KexAlgorithm> = {
  option: "KexAlgorithms",
  standard: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
  ],
  old: ["diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1"],
};
const CIPHERS: Choice<CipherAlgorithm> = {
  option: "Ciphers",
  standard: [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "chacha20-poly1305@openssh.com" as CipherAlgorithm,
  ],
  old: ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
};
const MACS: Choice<MacAlgorithm> = {
  option: "MACs",
  standard: [
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
  ],
  old: ["hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
};
const HOST_KEYS: Choice<ServerHostKeyAlgorithm> = {
  option: "HostKeyAlgorithms",
  standard: [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
  ],
  // SHA-1: servers before OpenSSH 7.2.
  old: ["ssh-rsa"],
};

/** What a configuration says of them; `get` answers with an option's value. Throws when it leaves nothing to speak. */
export function algorithmsOf(get: (key: string) => string | undefined): Algorithms {
  const of = <T extends string>(choice: Choice<T>) => chosen(choice, get(choice.option.toLowerCase()));
  return { kex: of(KEX), cipher: of(CIPHERS), hmac: of(MACS), serverHostKey: of(HOST_KEYS) };
}

function chosen<T extends string>({ option, standard, old }: Choice<T>, said: string | undefined): T[] {
  const found = select(standard, old, said ?? "");
  if (found.length > 0) return found;
  const ours = [...standard, ...old].join(", ");
  throw new ApiError("CONFIG_INVALID", `${option} of the SSH configuration allows none that is spoken here: ${ours}`);
}

/** `ssh -G` prints whole lists; in files they may add with +, take away with - or put first with ^. */
function select<T extends string>(standard: readonly T[], old: readonly T[], said: string): T[] {
  const names = said.replace(/^[-+^]/, "").split(",");
  const isNamed = (name: string) => names.some((pattern) => matchesPattern(pattern, name));
  if (said === "") return [...standard];
  if (said.startsWith("-")) return standard.filter((name) => !isNamed(name));
  if (said.startsWith("+")) return [...standard, ...old.filter(isNamed)];
  const all = [...standard, ...old].filter(isNamed);
  return said.startsWith("^") ? [...new Set([...all, ...standard])] : all;
}
