/** Connections to the outside through an HTTP proxy, by CONNECT: the only way out of some sites. */
import http from "node:http";
import https from "node:https";
import { isIP, type Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { connect as connectTls } from "node:tls";

/** As much of `fetch` as the agent needs of it. */
export type Fetch = (url: URL, init: RequestInit & { signal: AbortSignal }) => Promise<Response>;

export type HttpProxy = {
  fetch: Fetch;
  /** for clients that take an agent of `node:http` or `node:https` */
  agentFor(secure: boolean, ca: string | undefined): http.Agent;
};

/** A proxy that does not answer, or what is behind it, must not hold up what waits. */
const ANSWER_MS = 30_000;

/** The proxy of a URL, with user and password if it wants them. */
export function createProxy(url: string, { answerMs = ANSWER_MS } = {}): HttpProxy {
  const proxy = new URL(url);
  const agents = new Map<string, http.Agent>();
  const agentFor = (secure: boolean, ca: string | undefined) => {
    const key = `${secure} ${ca ?? ""}`;
    let agent = agents.get(key);
    if (!agent) {
      agent = secure
        ? new https.Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
        : new http.Agent({ keepAlive: true });
      agent.createConnection = (options, done) => {
        void open(proxy, options as Target, { secure, answerMs }).then(
          (socket) => done?.(null, socket),
          (error: Error) => done?.(error, undefined as never),
        );
        return undefined;
      };
      agents.set(key, agent);
    }
    return agent;
  };
  return {
    agentFor,
    fetch: (target, init) => fetchBy(agentFor(target.protocol === "https:", undefined), target, init),
  };
}

type Target = { host?: string; port?: number | string; servername?: string; ca?: string };

type OpenOptions = { secure: boolean; answerMs: number };

async function open(proxy: URL, target: Target, { secure, answerMs }: OpenOptions): Promise<Socket> {
  const host = target.host ?? "localhost";
  const port = Number(target.port ?? (secure ? 443 : 80));
  const authority = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const socket = await tunnel(proxy, authority, answerMs);
  if (!secure) return socket;
  const servername = target.servername || (isIP(host) ? undefined : host);
  return new Promise((resolve, reject) => {
    const encrypted = connectTls({
      socket,
      ALPNProtocols: ["http/1.1"],
      host,
      ...(servername ? { servername } : {}),
      ...(target.ca === undefined ? {} : { ca: target.ca }),
    });
    const silent = new Error(`${authority} does not speak TLS: no answer within ${answerMs / 1_000} s`);
    const timer = setTimeout(() => encrypted.destroy(silent), answerMs);
    encrypted.once("secureConnect", () => {
      clearTimeout(timer);
      resolve(encrypted);
    });
    encrypted.once("error", (error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    });
  });
}

/** Asks the proxy for a tunnel. Rejects with its own words when it refuses. */
function tunnel(proxy: URL, authority: string, answerMs: number): Promise<Socket> {
  const { hostname, port, protocol, username, password } = proxy;
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const name = `the proxy ${hostname}${port ? `:${port}` : ""}`;
  const request = (protocol === "https:" ? https : http).request({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port || (protocol === "https:" ? 443 : 80),
    method: "CONNECT",
    path: authority,
    headers: {
      host: authority,
      ...(username ? { "proxy-authorization": `Basic ${Buffer.from(user).toString("base64")}` } : {}),
    },
    agent: false,
    timeout: answerMs,
  });
  return new Promise((resolve, reject) => {
    request.once("timeout", () => request.destroy(new Error(`no answer within ${answerMs / 1_000} s`)));
    request.once("error", (cause) => reject(new Error(`${name}: ${cause.message}`, { cause })));
    // A proxy that answers as a web server does refuses.
    request.once("response", (response) => {
      response.destroy();
      reject(new Error(`${name} answers ${response.statusCode} ${response.statusMessage}`));
    });
    request.once("connect", (response, socket: Socket, head: Buffer) => {
      socket.setTimeout(0);
      if (response.statusCode !== 200) {
        socket.destroy();
        const why = `${response.statusCode} ${response.statusMessage}`;
        return reject(new Error(`${name} gives no way to ${authority}: ${why}`));
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.end();
  });
}

/** Without `fetch` of Node.js, whose proxies depend on its version. Redirects are not followed. */
function fetchBy(agent: http.Agent, url: URL, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
  const { method = "GET", headers, body, signal } = init;
  const make = url.protocol === "https:" ? https.request : http.request;
  return new Promise((resolve, reject) => {
    const request = make(
      url,
      { agent, method, signal, headers: Object.fromEntries(new Headers(headers)) },
      (response) => {
        const { statusCode: status = 0, rawHeaders } = response;
        const received = new Headers();
        for (let at = 0; at < rawHeaders.length; at += 2)
          received.append(rawHeaders[at] as string, rawHeaders[at + 1] as string);
        const empty = [204, 205, 304].includes(status);
        if (empty) response.resume();
        resolve(
          new Response(empty ? null : (Readable.toWeb(response) as ReadableStream), { status, headers: received }),
        );
      },
    );
    request.once("error", reject);
    if (body instanceof ReadableStream) {
      const source = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
      // What goes wrong with either is the request's error, and ends both.
      pipeline(source, request, () => {});
    } else request.end((body as string | undefined) ?? undefined);
  });
}
