/**
 * `node endpoint-agent/reach.ts --dir <endpoint dir> [--proxy -]`: whether an agent of this directory would reach its gateway
 * and NATS from here, and why not. It prints one line of JSON. The proxy is tried where the configuration names none; its URL comes
 * on standard input, as it may hold a password and argument lists are for all to see.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readConfigFile } from "./config-file.ts";
import { createNatsUser, readCredentials } from "./credentials.ts";
import { dial } from "./dial.ts";
import { createGatewayHttp, reasonOf } from "./gateway-http.ts";
import { endpointLayout } from "./layout.ts";
import { createProxy } from "./proxy.ts";

/** One way to the outside and how far it leads. `null`: no trouble. */
export type Reached = { proxy: string | null; gateway: string | null; nats: string | null };

const ATTEMPT_MS = 20_000;

const { values } = parseArgs({ options: { dir: { type: "string" }, proxy: { type: "string" } } });
const dir = values.dir ?? ".";
const configured = readConfigFile(endpointLayout(dir).config).proxy;
const given = values.proxy === "-" ? readFileSync(0, "utf8").trim() : values.proxy;
const ways = configured === undefined ? [undefined, ...(given ? [given] : [])] : [configured];
const reached: Reached[] = [];
for (const way of ways) {
  reached.push(await tryWay(way));
  if (reached.at(-1)?.nats === null) break;
}
process.stdout.write(`${JSON.stringify({ reached })}\n`);
process.exit(0);

async function tryWay(url: string | undefined): Promise<Reached> {
  const found: Reached = { proxy: url ?? null, gateway: null, nats: "not tried" };
  try {
    const proxy = url === undefined ? undefined : createProxy(url);
    const http = createGatewayHttp(() => readCredentials(dir), AbortSignal.timeout(ATTEMPT_MS), proxy);
    const user = await createNatsUser(http).catch((error: unknown) => {
      found.gateway = reasonOf(error);
      throw error;
    });
    const { authenticator, servers, ca } = user;
    const connection = await dial({ servers, ca, proxy }, { authenticator, reconnect: false, timeout: ATTEMPT_MS });
    await connection.close();
    found.nats = null;
  } catch (error) {
    if (found.gateway === null) found.nats = reasonOf(error);
  }
  return found;
}
