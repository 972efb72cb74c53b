/** Which way to log in is tried next. Pure: a server punishes those who try too often. */

import type { LoginMethod } from "./host.ts";

/** What there is to log in with. */
export type Credential = { type: "agent" | "file"; name: string };

export type Attempt =
  | { type: "none" }
  | { type: "key"; credential: Credential }
  | { type: "keyboard-interactive" | "password" };

export type AuthOrder = {
  /**
   * The next attempt, or false when there is none that makes sense. `left` is what the server still takes, null before it
   * was asked; `partial`: the last attempt was accepted and one more is wanted.
   */
  next(left: readonly string[] | null, partial: boolean): Attempt | false;
  /** The server took the key of the last attempt, so that what is left must be asked anew. */
  signed(): void;
  /** A person could have gone on where the program had nothing left. */
  readonly wantsPerson: boolean;
};

/** Servers end a connection after six refused keys (MaxAuthTries), before a password could be asked. */
const MOST_KEYS = 4;
const ALL: readonly LoginMethod[] = ["publickey", "keyboard-interactive", "password"];

/**
 * An order for one connection: keys first, then what a person types, and that once. Without a person there is only the
 * first half: an empty answer would count as a wrong one. `methods` are those that may be tried, best first.
 */
export function createAuthOrder(
  credentials: readonly Credential[],
  { attended = true, methods = ALL }: { attended?: boolean; methods?: readonly LoginMethod[] } = {},
): AuthOrder {
  const keys = methods.includes("publickey") ? credentials.slice(0, MOST_KEYS) : [];
  const typing = methods.filter((method) => method !== "publickey");
  let last: Attempt["type"] | undefined;
  let askAnew = false;
  let wantsPerson = false;
  return {
    get wantsPerson() {
      return wantsPerson;
    },
    signed() {
      askAnew = true;
    },
    next(left, partial) {
      const attempt = decide(left, partial);
      last = attempt === false ? undefined : attempt.type;
      return attempt;
    },
  };

  function decide(left: readonly string[] | null, partial: boolean): Attempt | false {
    if (left === null) return { type: "none" };
    const typed = last === "keyboard-interactive" || last === "password";
    // One wrong password is a mistake, three are an attack: fail2ban counts them.
    if (typed && !partial) return false;
    if (askAnew) {
      askAnew = false;
      return { type: "none" };
    }
    if (left.includes("publickey")) {
      const credential = keys.shift();
      if (credential) return { type: "key", credential };
    }
    const type = typing.find((method) => left.includes(method));
    if (!type) return false;
    wantsPerson = !attended;
    return attended ? { type } : false;
  }
}
