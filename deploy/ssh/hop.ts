/** One SSH connection: to the first host directly or by its ProxyCommand, to the next ones through it. */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ServerHostKeyAlgorithm } from "ssh2";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import { askCertificate } from "./ask-certificate.ts";
import { keysFor } from "./credentials.ts";
import type { SshHost } from "./host.ts";
import { knownTypes } from "./host-key.ts";
import { keyType } from "./known-hosts.ts";
import { createLogin } from "./login.ts";
import { meaningOf, unreachable } from "./login-error.ts";
import type { Prompter } from "./prompter.ts";
import { openProxy } from "./proxy-command.ts";
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
/** For a proxy to say why it ended. */
const LAST_WORDS_MS = 200;

type Way = { stream: Duplex; why?(): string | undefined };

/** Connects and logs in. `through` is the connection to the host before it. */
export async function connectHop(host: SshHost, through: Client | undefined, options: HopOptions): Promise<Client> {
  const { ssh2, env, signal } = options;
  const prompter = host.batchMode ? unattended(options.prompter) : options.prompter;
  const keys = await keysFor(host, { ssh2, env });
  const way = await wayTo(host, through, options);
  const client = new ssh2.Client();
  const login = createLogin(host, { ssh2, prompter, keys, giveUp: () => client.destroy() });
  // An error that comes when nobody waits any more would end the program; the close that follows tells those who do.
  client.on("error", () => {});
  let refused: unknown;
  const abort = () => client.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      client.once("error", (error: Error & { level?: string }) => reject(refused ?? meaningOf(error, host, login)));
      client.once("close", () => reject(refused ?? meaningOf(new Error("the connection was closed"), host, login)));
      // ssh2 does not know it: without an answer it would wait for the end of the time.
      client.on("change password", () => reject(passwordExpired(host)));
      client.connect({
        sock: way.stream,
        username: host.user,
        hostVerifier: (key: Buffer, done: (ok: boolean) => void) => {
          const type = keyType(key) ?? "";
          const certificate = async () =>
            askCertificate((await wayTo(host, through, options)).stream, { type, timeoutMs: CERTIFICATE_MS });
          const verify = { prompter, acceptNew: options.acceptNewHostKey, certificate, env };
          verifyHostKey(host, key, verify).then(
            () => done(true),
            (error: unknown) => {
              refused = error;
              done(false);
            },
          );
        },
        authHandler: login.handler,
        algorithms: { ...host.algorithms, serverHostKey: orderedTypes(host) },
        readyTimeout: options.readyTimeoutMs ?? READY_MS,
        keepaliveInterval: host.keepalive.intervalMs,
        keepaliveCountMax: host.keepalive.most,
      });
    });
  } catch (error) {
    client.destroy();
    const meant = signal.aborted ? signal.reason : await withReason(error, way, host);
    way.stream.destroy();
    throw meant;
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return client;
}

/** What a proxy said says more than that the connection was closed. */
async function withReason(error: unknown, way: Way, host: SshHost): Promise<unknown> {
  if (!way.why || !(error instanceof ApiError) || error.code !== "SSH_FAILED") return error;
  await sleep(LAST_WORDS_MS);
  const why = way.why();
  return why === undefined ? error : unreachable(host, new Error(why, { cause: error }));
}

function passwordExpired({ user, host }: SshHost): ApiError {
  const how = `log in with ssh ${user}@${host} and choose another`;
  return new ApiError("SSH_LOGIN_REFUSED", `the password of ${user}@${host} has expired: ${how}`);
}

function unattended(prompter: Prompter): Prompter {
  const ask = () =>
    Promise.reject(new ApiError("SSH_LOGIN_REFUSED", "BatchMode of the SSH configuration forbids to ask"));
  return { unattended: true, ask, show: (text) => prompter.show(text) };
}

/** The types of which a key is known come first: else a host with several keys seems to be another. */
function orderedTypes(host: SshHost): ServerHostKeyAlgorithm[] {
  const known = new Set(knownTypes(namesOf(host), readKnownHosts(host.knownHosts)));
  const isKnown = (type: string) => known.has(type.startsWith("rsa-") ? "ssh-rsa" : type);
  const types = host.algorithms.serverHostKey;
  return [...types.filter(isKnown), ...types.filter((type) => !isKnown(type))];
}

async function wayTo(host: SshHost, through: Client | undefined, options: HopOptions): Promise<Way> {
  if (!through) return host.proxyCommand === undefined ? openSocket(host, options.signal) : openProxy(host, options);
  return new Promise((resolve, reject) => {
    through.forwardOut("127.0.0.1", 0, host.host, host.port, (error, stream) => {
      if (error) reject(unreachable(host, error));
      else resolve({ stream });
    });
  });
}

function openSocket(host: SshHost, signal: AbortSignal): Promise<Way> {
  const withinMs = host.connectTimeoutMs ?? CONNECT_MS;
  return new Promise((resolve, reject) => {
    const { family, bindAddress } = host;
    const from = bindAddress === undefined ? {} : { localAddress: bindAddress };
    const socket = connect({ host: host.host, port: host.port, family, ...from, signal });
    const fail = (error: Error) => {
      socket.destroy();
      reject(signal.aborted ? signal.reason : unreachable(host, error));
    };
    socket.setTimeout(withinMs, () => fail(new Error(`no answer within ${withinMs / 1000} s`)));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.removeListener("error", fail);
      resolve({ stream: socket });
    });
  });
}
