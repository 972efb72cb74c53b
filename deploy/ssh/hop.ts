/** One SSH connection: to the first host directly, to the next ones through it. */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Client, ServerHostKeyAlgorithm } from "ssh2";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import { askCertificate } from "./ask-certificate.ts";
import { keysFor } from "./credentials.ts";
import type { SshHost } from "./host.ts";
import { knownTypes } from "./host-key.ts";
import { keyType } from "./known-hosts.ts";
import { createLogin } from "./login.ts";
import type { Prompter } from "./prompter.ts";
import type { Ssh2 } from "./ssh2.ts";
import { namesOf, readKnownHosts, verifyHostKey } from "./verify-host.ts";

export type HopOptions = {
  ssh2: Ssh2;
  env: Environment;
  prompter: Prompter;
  acceptNewHostKey: boolean;
  signal: AbortSignal;
  /** for the whole handshake, a person with a one-time password included */
  readyTimeoutMs?: number | undefined;
};

const CONNECT_MS = 30_000;
const CERTIFICATE_MS = 15_000;
const READY_MS = 120_000;
const HOST_KEY_TYPES: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
];

/** Connects and logs in. `through` is the connection to the host before it. */
export async function connectHop(host: SshHost, through: Client | undefined, options: HopOptions): Promise<Client> {
  const { ssh2, env, prompter, signal } = options;
  const sock = await streamTo(host, through, signal);
  const login = createLogin(host, { ssh2, prompter, keys: await keysFor(host, { ssh2, env }) });
  const client = new ssh2.Client();
  // An error that comes when nobody waits any more would end the program; the close that follows tells those who do.
  client.on("error", () => {});
  let refused: unknown;
  const abort = () => client.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      client.once("error", (error: Error & { level?: string }) => reject(refused ?? meaningOf(error, host, login)));
      client.once("close", () => reject(refused ?? unreachable(host, new Error("the connection was closed"))));
      client.connect({
        sock,
        username: host.user,
        hostVerifier: (key: Buffer, done: (ok: boolean) => void) => {
          const type = keyType(key) ?? "";
          const certificate = async () =>
            askCertificate(await streamTo(host, through, signal), { type, timeoutMs: CERTIFICATE_MS });
          verifyHostKey(host, key, { prompter, acceptNew: options.acceptNewHostKey, certificate }).then(
            () => done(true),
            (error: unknown) => {
              refused = error;
              done(false);
            },
          );
        },
        authHandler: login.handler,
        algorithms: { serverHostKey: orderedTypes(host) },
        readyTimeout: options.readyTimeoutMs ?? READY_MS,
        keepaliveInterval: 15_000,
        keepaliveCountMax: 4,
      });
    });
  } catch (error) {
    client.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return client;
}

/** The types of which a key is known come first: else a host with several keys seems to be another. */
function orderedTypes(host: SshHost): ServerHostKeyAlgorithm[] {
  const known = new Set(knownTypes(namesOf(host), readKnownHosts(host.knownHosts)));
  const isKnown = (type: string) => known.has(type.startsWith("rsa-") ? "ssh-rsa" : type);
  const types: ServerHostKeyAlgorithm[] = [...HOST_KEY_TYPES, ...(host.allowSha1 ? (["ssh-rsa"] as const) : [])];
  return [...types.filter(isKnown), ...types.filter((type) => !isKnown(type))];
}

async function streamTo(host: SshHost, through: Client | undefined, signal: AbortSignal): Promise<Duplex> {
  if (!through) return openSocket(host, signal);
  return new Promise((resolve, reject) => {
    through.forwardOut("127.0.0.1", 0, host.host, host.port, (error, stream) => {
      if (error) reject(unreachable(host, error));
      else resolve(stream);
    });
  });
}

function openSocket(host: SshHost, signal: AbortSignal): Promise<Socket> {
  const withinMs = host.connectTimeoutMs ?? CONNECT_MS;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: host.host, port: host.port, signal });
    const fail = (error: Error) => {
      socket.destroy();
      reject(signal.aborted ? signal.reason : unreachable(host, error));
    };
    socket.setTimeout(withinMs, () => fail(new Error(`no answer within ${withinMs / 1000} s`)));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.removeListener("error", fail);
      resolve(socket);
    });
  });
}

function unreachable(host: SshHost, cause: Error): ApiError {
  return new ApiError("SSH_FAILED", `${host.host} port ${host.port}: ${cause.message}`, { cause });
}

function meaningOf(
  error: Error & { level?: string },
  host: SshHost,
  login: { tried(): string[]; trouble(): Error | undefined },
): ApiError {
  const who = `${host.user}@${host.host}`;
  const trouble = login.trouble();
  if (error.level === "client-authentication" || trouble) {
    const tried = login.tried();
    const how = tried.length > 0 ? `tried ${tried.join(", ")}` : "there was nothing to try";
    const why = trouble ? trouble.message : "the server refused";
    return new ApiError("SSH_LOGIN_REFUSED", `cannot log in as ${who}: ${why} (${how})`, { cause: error });
  }
  if (error.level === "client-timeout") {
    return new ApiError("SSH_FAILED", `${who}: no login within the time that a handshake may take`, { cause: error });
  }
  return unreachable(host, error);
}
