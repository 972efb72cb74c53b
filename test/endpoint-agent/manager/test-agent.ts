/** A small agent for tests of the manager: a real WebSocket server on a unix socket, and a real manager process that dials it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type WebSocket, WebSocketServer } from "ws";
import type { ManagerConfig } from "../../../endpoint-agent/manager-config.ts";
import type { LeaseEntry, LeaseSpec, ResultEntry, StartEntry } from "../../../protocol/batch.ts";
import { decodeFrame, encodeFrame } from "../../../protocol/frame.ts";
import { definitionText, type FunctionDefinition } from "../../../protocol/function.ts";
import { newId } from "../../../protocol/ids.ts";
import type { AgentToManager, ManagerToAgent } from "../../../protocol/manager-frames.ts";
import { decodeValue, encodeValue } from "../../../protocol/payload.ts";
import { type ManagerType, managerArgv, OLDEST_PYTHON } from "../../support/managers.ts";

export type Received = ResultEntry & { value?: unknown; stdoutText: string; stderrText: string; at: number };
export type CallOptions = Partial<Omit<LeaseSpec, "key" | "function">> & {
  lease?: number;
  attempt?: number;
  args?: unknown;
};

export type TestAgent = Awaited<ReturnType<typeof startTestAgent>>;

type Overrides = Partial<Omit<ManagerConfig, "limits">> & { limits?: Partial<ManagerConfig["limits"]> };
export type AgentOptions = Overrides & {
  type?: ManagerType;
  /** what runs the manager in Python */
  interpreter?: string;
  /** ms that the agent says are left of its deadline */
  remainingDeadlineMs?: number;
  /** the agent does not answer starts of at-most-once tasks by itself */
  holdStarts?: boolean;
  /** the agent does not take results by itself */
  holdTaken?: boolean;
  /** what is said of the first large results, one after the other; of later ones that they are taken */
  blobAnswers?: { error: string; again?: true }[];
};

const COMPILED = fileURLToPath(new URL("../../../node_modules/.cache/farcall-compiled", import.meta.url));

/** Starts the server and one manager. */
export async function startTestAgent(options: AgentOptions = {}) {
  const {
    remainingDeadlineMs = 60_000,
    holdStarts = false,
    holdTaken = false,
    blobAnswers = [],
    type = "node",
    interpreter = OLDEST_PYTHON,
    limits,
    ...config
  } = options;
  const dir = mkdtempSync(join(tmpdir(), "farcall-manager-test-"));
  const path = join(dir, "agent.sock");
  const functions = new Map<string, { definition: FunctionDefinition; code: Uint8Array }>();
  const blobs = new Map<string, Uint8Array>();
  const partial = new Map<string, Uint8Array[]>();
  const results = new Map<string, Received>();
  const starts: StartEntry[] = [];
  const frames: { header: ManagerToAgent; body: Uint8Array }[] = [];
  const waiters = new Set<() => void>();
  let socket: WebSocket | undefined;
  let specs = 0;
  let answering = true;
  let keep: ((holds: [string, number][]) => [string, number][]) | undefined;

  const send = (frame: AgentToManager, chunks: readonly Uint8Array[] = []) => socket?.send(encodeFrame(frame, chunks));

  const onResults = (header: ManagerToAgent & { kind: "results" }, body: Uint8Array) => {
    let offset = 0;
    const cut = (length = 0) => {
      offset += length;
      return body.subarray(offset - length, offset);
    };
    for (const entry of header.results) {
      const bytes = entry.blob === undefined ? cut(entry.length) : (blobs.get(entry.blob) as Uint8Array);
      const received: Received = {
        ...entry,
        stdoutText: Buffer.from(cut(entry.stdout)).toString(),
        stderrText: Buffer.from(cut(entry.stderr)).toString(),
        at: performance.now(),
      };
      if (entry.outcome === "succeeded") received.value = decodeValue(entry.encoding ?? "json", bytes);
      results.set(`${entry.id}.${entry.lease}`, received);
    }
    starts.push(...header.starts);
    if (!holdTaken) send({ kind: "taken", message: header.message });
    if (!holdStarts) for (const { id, lease } of header.starts) send({ kind: "start", id, lease, go: true });
  };
  const onFrame = (header: ManagerToAgent, body: Uint8Array) => {
    if (header.kind === "hello")
      send({ kind: "welcome", remainingDeadlineMs, keep: keep ? keep(header.holds) : header.holds });
    else if (header.kind === "beat" && answering)
      send({ kind: "beat-answer", sentAt: header.sentAt, remainingDeadlineMs });
    else if (header.kind === "results") onResults(header, body);
    else if (header.kind === "need-function") {
      const known = functions.get(header.function);
      if (known) send({ kind: "function", function: header.function, definition: known.definition }, [known.code]);
      else send({ kind: "function-error", function: header.function, code: "FUNCTION_GONE", message: "it is gone" });
    } else if (header.kind === "need-blob") sendBlob(header.blob);
    else if (header.kind === "blob-chunk") onChunk(header, body);
  };
  const sendBlob = (blob: string) => {
    const bytes = blobs.get(blob);
    if (!bytes) return send({ kind: "blob-error", blob, message: "it is gone" });
    for (let offset = 0; offset < bytes.length; offset += 1 << 20) {
      const part = bytes.subarray(offset, offset + (1 << 20));
      send({ kind: "blob-chunk", blob, offset, size: bytes.length, end: offset + part.length === bytes.length }, [
        part,
      ]);
    }
  };
  const onChunk = ({ blob, task, lease, offset, end }: ManagerToAgent & { kind: "blob-chunk" }, body: Uint8Array) => {
    const parts = offset === 0 ? [] : (partial.get(blob) ?? []);
    partial.set(blob, parts);
    parts.push(Buffer.from(body));
    if (!end) return;
    const whole = Buffer.concat(parts);
    if (sha256(whole) !== blob) throw new Error("a blob came with another hash");
    blobs.set(blob, whole);
    send({ kind: "taken-blob", blob, task, lease, ...blobAnswers.shift() });
  };

  const http = createServer();
  const server = new WebSocketServer({ server: http, maxPayload: 64 << 20, perMessageDeflate: false });
  server.on("connection", (connection) => {
    socket = connection;
    connection.on("error", () => {});
    connection.on("message", (data: Buffer) => {
      const { header, body } = decodeFrame(data);
      const frame = header as ManagerToAgent;
      if (frame.kind !== "beat" && frame.kind !== "results") frames.push({ header: frame, body });
      onFrame(frame, body);
      for (const waiter of waiters) waiter();
    });
  });
  const listen = () => new Promise<void>((resolve) => http.listen(path, resolve));
  await listen();

  const base = {
    endpoint: "test",
    block: "block-1",
    node: 0,
    dial: { kind: "unix", path },
    secretFile: join(dir, "secret"),
    dir: join(dir, "manager"),
    cacheDir: join(dir, "cache"),
    logFile: join(dir, "manager.log"),
    capacity: { cores: 2, memoryMb: 4096, gpus: 0 },
    workersPerNode: 2,
    orphanTimeoutMs: 60_000,
    ...(type === "python" && { python: interpreter }),
  };
  for (const name of ["manager", "cache"]) mkdirSync(join(dir, name), { mode: 0o700 });
  // What Node compiled is kept between tests: a manager then starts in a third of the time.
  mkdirSync(COMPILED, { recursive: true });
  symlinkSync(COMPILED, join(base.cacheDir, "compiled"));
  writeFileSync(base.secretFile, "a secret\n", { mode: 0o600 });
  const file = join(dir, "config.json");
  const merged = { ...base, ...config, limits: { killGraceMs: 500, ...limits } };
  writeFileSync(file, JSON.stringify(merged), { mode: 0o600 });
  const [command, ...args] = managerArgv(type, interpreter);
  const manager: ChildProcess = spawn(command, [...args, "--config", file], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
  });
  const exited = new Promise<number | null>((resolve) => manager.once("exit", (code) => resolve(code)));

  /** Waits until `condition` gives something; looks again after every frame. */
  const until = <T>(condition: () => T | undefined | false, what = "a condition", timeoutMs = 20_000) =>
    new Promise<T>((resolve, reject) => {
      const look = () => {
        const value = condition();
        if (value === undefined || value === false) return;
        stop();
        resolve(value);
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${what} did not come in ${timeoutMs} ms; log:\n${readLog().slice(-3000)}`));
      }, timeoutMs);
      const poll = setInterval(look, 20);
      const stop = () => {
        clearTimeout(timer);
        clearInterval(poll);
        waiters.delete(look);
      };
      waiters.add(look);
      look();
    });
  const readLog = () => {
    try {
      return readFileSync(base.logFile, "utf8");
    } catch {
      return "(no log)";
    }
  };

  const register = (
    definition: Omit<FunctionDefinition, "code" | "entry"> & { entry?: string },
    text: string,
  ): string => {
    const code = new TextEncoder().encode(text);
    const full: FunctionDefinition = { entry: "default", ...definition, code: sha256(code) };
    const id = sha256(definitionText(full));
    functions.set(id, { definition: full, code });
    return id;
  };
  const putBlob = (bytes: Uint8Array): string => {
    const hash = sha256(bytes);
    blobs.set(hash, bytes);
    return hash;
  };
  /** Hands tasks out; returns their ids. */
  const submit = (fn: string, argLists: readonly unknown[], options: CallOptions = {}): string[] => {
    const { lease = 1, attempt = 0, args: _, ...spec } = options;
    const chunks: Uint8Array[] = [];
    const tasks = argLists.map((args): LeaseEntry => {
      const { encoding, bytes } = encodeValue(args);
      const entry = { id: newId(), lease, attempt, encoding };
      if (bytes.length > 256 * 1024) return { ...entry, blob: putBlob(bytes), size: bytes.length };
      chunks.push(bytes);
      return { ...entry, length: bytes.length };
    });
    send({ kind: "tasks", specs: [{ key: ++specs, owner: "ann", ...spec, function: fn }], tasks }, chunks);
    return tasks.map(({ id }) => id);
  };
  const result = (id: string, lease = 1, timeoutMs = 20_000) =>
    until(() => results.get(`${id}.${lease}`), `the result of ${id}`, timeoutMs);

  await until(() => frames.some(({ header }) => header.kind === "hello"), "hello");
  return {
    dir,
    config: merged,
    manager,
    exited,
    results,
    starts,
    frames,
    blobs,
    functions,
    send,
    sendBytes: (bytes: Uint8Array) => socket?.send(bytes),
    until,
    register,
    submit,
    result,
    /** One call, and its result. */
    async call(fn: string, args: unknown, options: CallOptions = {}): Promise<Received> {
      const [id] = submit(fn, [args], options) as [string];
      return result(id, options.lease);
    },
    setAnswering(on: boolean) {
      answering = on;
    },
    setKeep(choose: typeof keep) {
      keep = choose;
    },
    /** Cuts the connection; the server stays away until `listen`. */
    async disconnect() {
      socket?.terminate();
      socket = undefined;
      await new Promise<void>((resolve) => {
        http.close(() => resolve());
      });
    },
    listen,
    log: readLog,
    /** the manager's own, resident */
    memoryMb: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${manager.pid}/status`, "utf8"))?.[1]) / 1024,
    async stop() {
      send({ kind: "stop" });
      const timer = setTimeout(() => manager.kill("SIGKILL"), 5_000);
      await exited;
      clearTimeout(timer);
      socket?.terminate();
      server.close();
      http.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
