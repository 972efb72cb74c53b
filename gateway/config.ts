/** gateway.yaml: its schema, and errors that say where the mistake is and what would be right. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { ApiError } from "../protocol/errors.ts";
import { expectationOf } from "../protocol/expectation.ts";
import { wayOf } from "../protocol/nats-servers.ts";
import { DEFAULTS } from "../protocol/task.ts";
import { isLoopback } from "./auth/host-check.ts";
import { isNetwork } from "./http/client-address.ts";

const positive = z.int().positive();
const share = (tasks: number, bytes: number) =>
  z.strictObject({ tasks: positive.default(tasks), bytes: positive.default(bytes) }).prefault({});
const MB = 1024 ** 2;
const GB = 1024 ** 3;

/** What gateway.yaml holds. */
export const GatewayConfig = z
  .strictObject({
    listen: z
      .strictObject({
        host: z.string().min(1).default("127.0.0.1").meta({ description: "the address to listen on" }),
        port: z.int().min(0).max(65_535).default(0).meta({ description: "0: any free one" }),
      })
      .prefault({}),
    stateDir: z.string().min(1).meta({ description: "database, blobs and the admin token; relative to this file" }),
    durability: z.enum(["disk", "fast"]).default("disk").meta({
      description: "disk: every commit is fsynced; fast: a power cut may take the last moments",
    }),
    tls: z
      .strictObject({
        cert: z.string().min(1).meta({ description: "certificate and its chain in PEM; relative to this file" }),
        key: z.string().min(1).meta({ description: "its key in PEM; relative to this file" }),
      })
      .optional()
      .meta({ description: "HTTPS; both files are read again when they change, and at SIGHUP" }),
    trustProxy: z.array(z.string().min(1)).default([]).meta({
      description: "proxies, by address or network, whose X-Forwarded-For says where a request comes from",
    }),
    nats: z.strictObject({
      servers: z
        .array(z.string().min(1))
        .min(1)
        .meta({ description: "URLs of one kind: nats://, tls://, or ws:// and wss://" }),
      dir: z.string().min(1).meta({ description: "holds gateway.creds and signer.json; relative to this file" }),
      agentServers: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .meta({ description: "what agents are told to connect to, if not `servers`" }),
      ca: z.string().min(1).optional().meta({
        description:
          "certificates in PEM that are trusted there, by agents too, instead of the usual ones; relative to this file",
      }),
    }),
    publicUrl: z.url().optional().meta({ description: "how others reach this gateway; its name is then answered to" }),
    allowedHosts: z.array(z.string().min(1)).default([]).meta({ description: "more names to answer to on loopback" }),
    corsOrigins: z.array(z.url()).default([]).meta({ description: "web pages that may call the API; none by default" }),
    allowUnauthenticatedLoopback: z.boolean().default(false).meta({
      description: "requests without a token act as an admin; loopback only",
    }),
    limits: z
      .strictObject({
        perOwner: share(2_000_000, 16 * GB),
        perEndpoint: share(2_000_000, 16 * GB),
        retentionMs: positive.default(DEFAULTS.retentionMs),
        minFreeBytes: z.int().min(0).default(GB),
        maxBatchBytes: positive.default(32 * MB),
        maxBodyBytes: positive.default(MB),
        requestsPerSecond: positive.default(5000),
        requestBurst: positive.default(10_000),
        requestsPerToken: positive
          .default(1000)
          .meta({ description: "requests of one token that are worked on at once" }),
        waitsPerToken: positive.default(1000).meta({ description: "requests of one token that wait for results" }),
        streamsPerToken: positive.default(200).meta({ description: "open event and log streams of one token" }),
        eventBufferBytes: positive.default(8 * MB),
      })
      .prefault({}),
    logLevel: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  })
  .meta({ id: "GatewayConfig" });
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** Reads the file; directories in it become absolute. Throws CONFIG_INVALID with the file, line and field. */
export function readGatewayConfig(file: string): GatewayConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ApiError("CONFIG_INVALID", `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const config = parseGatewayConfig(text, file);
  const base = dirname(resolve(file));
  const { tls } = config;
  return {
    ...config,
    stateDir: resolve(base, config.stateDir),
    nats: {
      ...config.nats,
      dir: resolve(base, config.nats.dir),
      ...(config.nats.ca === undefined ? {} : { ca: resolve(base, config.nats.ca) }),
    },
    ...(tls ? { tls: { cert: resolve(base, tls.cert), key: resolve(base, tls.key) } } : {}),
  };
}

/** Parses and checks the text of a gateway.yaml. `file` names it in errors. */
export function parseGatewayConfig(text: string, file: string): GatewayConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const [syntax] = document.errors;
  if (syntax) throw invalid(`${file}:${lineAt(syntax.pos[0])}: ${syntax.message.split("\n")[0]}`, { file });

  /** Where the field stands, or the innermost part above it that is there. */
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length >= 0; length--) {
      const node = document.getIn(path.slice(0, length) as string[], true);
      if (isNode(node) && node.range) return lineAt(node.range[0]);
    }
    return 1;
  };
  const fail = (path: readonly PropertyKey[], expected: string): never => {
    const field = path.join(".") || "the file";
    const value = document.getIn(path as string[]);
    const shown = value === undefined ? "missing" : JSON.stringify(value);
    const line = lineOf(path);
    throw invalid(`${file}:${line}: ${field} is ${shown}; expected ${expected}`, {
      file,
      line,
      field,
      value: shown,
      expected,
    });
  };

  const parsed = GatewayConfig.safeParse(contentOf(document, file));
  if (!parsed.success) {
    const issue = parsed.error.issues[0] as z.core.$ZodIssue;
    if (issue.code !== "unrecognized_keys") return fail(issue.path, expectationOf(issue));
    const parent = issue.path.join(".") || "the top level";
    return fail([...issue.path, issue.keys[0] as string], `no such field at ${parent}`);
  }
  const config = parsed.data;
  checkTogether(config, fail);
  return config;
}

/** What no field can say by itself. */
function checkTogether(config: GatewayConfig, fail: (path: readonly PropertyKey[], expected: string) => never): void {
  const { host } = config.listen;
  if (host !== "localhost" && isIP(host) === 0) fail(["listen", "host"], "an IP address or localhost");
  for (const [at, network] of config.trustProxy.entries()) {
    if (!isNetwork(network)) fail(["trustProxy", at], "an address, or a network as 10.0.0.0/8");
  }
  for (const field of ["servers", "agentServers"] as const) {
    const servers = config.nats[field];
    if (servers && wayOf(servers) === undefined)
      fail(["nats", field], "URLs of one kind: nats://, tls://, or ws:// and wss://");
  }
  if (!config.allowUnauthenticatedLoopback) return;
  const open = ["allowUnauthenticatedLoopback"];
  if (!isLoopback(host)) fail(open, `false, because listen.host ${host} is reachable from other machines`);
  if (config.trustProxy.length > 0) fail(open, "false, because with trustProxy requests from other machines come in");
}

/** The plain value of the document. Throws for aliases that lead nowhere, or that multiply (a billion laughs). */
function contentOf(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    throw invalid(`${file}:1: ${(cause as Error).message}`, { file });
  }
}

function invalid(message: string, details: Record<string, unknown>): ApiError {
  return new ApiError("CONFIG_INVALID", message, { details });
}
