/**
 * Tokens: `farcall_<letter>_<43 base64url characters><6 characters of checksum>`. 256 random bits, so a fast hash is enough to
 * store them; the prefix and the checksum let secret scanners find one that leaked, and spare the store a lookup for noise.
 */
import { hash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Scope } from "../../protocol/operations.ts";

const PATTERN = /^farcall_[aegir]_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM_LENGTH = 6;
const LETTERS: [Scope, string][] = [
  ["admin", "a"],
  ["agent", "g"],
  ["endpoints", "e"],
  ["invoke", "i"],
  ["read", "r"],
];

/** A new token; its letter names the widest of its scopes. */
export function makeToken(scopes: readonly Scope[]): string {
  const letter = LETTERS.find(([scope]) => scopes.includes(scope))?.[1] ?? "r";
  const secret = randomBytes(32).toString("base64url");
  return `farcall_${letter}_${secret}${checksum(secret)}`;
}

/** Whether the text has a token's form and its checksum fits. */
export function isToken(text: string): boolean {
  const match = PATTERN.exec(text);
  return match !== null && checksum(match[1] as string) === match[2];
}

/** What is stored instead of the token: its SHA-256 in hex. */
export function hashToken(token: string): string {
  return hash("sha256", token, "hex");
}

function checksum(secret: string): string {
  let rest = crc32(secret);
  let text = "";
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = BASE62[rest % 62] + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
