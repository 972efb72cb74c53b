/** Who may open a connection to the agent, decided before a single frame is read. */
import { sameText } from "../same-text.ts";
import type { Admission } from "../websocket-listener.ts";
import type { Credential } from "./credential.ts";

/**
 * `blocks` is undefined while the agent starts: it does not know yet which blocks are its own. Who is told no kills its work
 * and ends, so a secret that cannot be read just now is none of the answers that mean it.
 */
export function admission(
  blocks: { secretOf(block: string): string | undefined } | undefined,
  provider: string,
  credential: Credential | undefined,
): Admission {
  if (blocks === undefined) return "later";
  // The socket is in a directory that only this user enters; the hello is checked anyway.
  if (provider === "local") return "yes";
  if (credential === undefined) return "no";
  try {
    const secret = blocks.secretOf(credential.block);
    return secret !== undefined && sameText(secret, credential.secret) ? "yes" : "no";
  } catch {
    return "later";
  }
}
