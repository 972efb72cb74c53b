/** Who this agent is (credentials.json) and its short-lived NATS user, for which its key never leaves memory. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createUser } from "@nats-io/nkeys";
import { type Authenticator, jwtAuthenticator } from "nats";
import { z } from "zod";
import { ApiError } from "../protocol/errors.ts";
import { uptimeMs } from "./clock.ts";
import type { GatewayHttp } from "./gateway-http.ts";

/** `<endpoint dir>/credentials.json`, mode 0600. */
export const Credentials = z.object({
  gateway: z.url(),
  endpoint: z.string().min(1),
  token: z.string().min(1),
});
export type Credentials = z.infer<typeof Credentials>;

/** Reads the endpoint's credentials. Throws CONFIG_INVALID with the way to make them. */
export async function readCredentials(dir: string): Promise<Credentials> {
  const path = join(dir, "credentials.json");
  const { mode } = await stat(path).catch(() => ({ mode: 0 }));
  if ((mode & 0o077) !== 0) {
    throw new ApiError("CONFIG_INVALID", `${path} can be read by others, and holds a token: chmod 600 ${path}`);
  }
  try {
    return Credentials.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    // No descriptor to spare, a file server that is away: that says nothing about the file.
    if (code !== undefined && code !== "ENOENT") {
      throw new ApiError("UNAVAILABLE", `${path} cannot be read: ${(cause as Error).message}`, { cause });
    }
    const why = code === "ENOENT" ? "does not exist" : "cannot be used";
    throw new ApiError("CONFIG_INVALID", `${path} ${why}; \`farcall endpoint configure\` writes it`, { cause });
  }
}

export type NatsUser = {
  readonly authenticator: Authenticator;
  readonly servers: string[];
  /** certificates in PEM that are trusted at the servers; those that Node trusts when not said */
  readonly ca: string | undefined;
  /** when to ask anew, on the clock that counts suspend: half of the life that it had when it was given */
  readonly renewAt: number;
  /** Asks the gateway for a new JWT for the same key. */
  renew(): Promise<void>;
};

/** Makes a key and asks the gateway for a user that goes with it. */
export async function createNatsUser(http: GatewayHttp): Promise<NatsUser> {
  const key = createUser();
  let granted = await http.natsCredentials(key.getPublicKey());
  let renewAt = halfLife(granted);
  return {
    authenticator: jwtAuthenticator(() => granted.jwt, key.getSeed()),
    get servers() {
      return granted.servers;
    },
    get ca() {
      return granted.ca;
    },
    get renewAt() {
      return renewAt;
    },
    async renew() {
      granted = await http.natsCredentials(key.getPublicKey());
      renewAt = halfLife(granted);
    },
  };
}

/** By the gateway's clock alone: this machine's may be wrong by hours, or step (FAULTS.md A7). */
function halfLife({ jwt }: { jwt: string }): number {
  const { iat, exp } = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as {
    iat: number;
    exp: number;
  };
  return uptimeMs() + Math.max(1_000, ((exp - iat) * 1_000) / 2);
}
