/** A block of several nodes on this machine, as a launcher starts it: real managers, over TLS, at a small agent. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createBlockFiles } from "../../../endpoint-agent/block-files.ts";
import { uptimeMs } from "../../../endpoint-agent/clock.ts";
import { EndpointConfig, settle } from "../../../endpoint-agent/config.ts";
import { createTaskTable } from "../../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../../endpoint-agent/interchange.ts";
import { openJournal } from "../../../endpoint-agent/journal.ts";
import { admission } from "../../../endpoint-agent/link/admission.ts";
import { makeIdentity } from "../../../endpoint-agent/link/certificate.ts";
import { createManagers } from "../../../endpoint-agent/managers.ts";
import { killBlockProcesses } from "../../../endpoint-agent/provider/block-processes.ts";
import { listenForManagers } from "../../../endpoint-agent/websocket-listener.ts";
import type { LeaseSpec, ResultEntry } from "../../../protocol/batch.ts";
import { definitionText } from "../../../protocol/function.ts";
import { newId } from "../../../protocol/ids.ts";
import { decodeValue, encodeValue } from "../../../protocol/payload.ts";
import { waitFor } from "../../support/wait-for.ts";

const MANAGER = fileURLToPath(new URL("../../../endpoint-agent/manager/main.ts", import.meta.url));
const COMPILED = fileURLToPath(new URL("../../../node_modules/.cache/farcall-compiled", import.meta.url));

export type TestBlockOptions = {
  nodes: number;
  launcher: string;
  overrides?: string[];
  init?: string;
  cores?: number;
  gpus?: number;
  mpi?: { launcher?: string; overrides?: string[] };
  /** commands that are found before all others: name to the text of a script */
  commands?: Record<string, string>;
};

export type CommandResult = ResultEntry & {
  node: number;
  stdout?: string;
  value?: { stdout: string; exitCode: number };
};

/** Starts the agent; `launch` starts the block's script. */
export async function startTestBlock(options: TestBlockOptions) {
  const { nodes, launcher, overrides = [], init, cores = 2, gpus = 0, commands = {}, mpi = {} } = options;
  const root = mkdtempSync(join(tmpdir(), "farcall-block-"));
  const dirs = {
    blocks: join(root, "blocks"),
    logs: join(root, "logs"),
    cache: join(root, "cache"),
    bin: join(root, "bin"),
  };
  for (const dir of Object.values(dirs)) mkdirSync(dir, { mode: 0o700 });
  mkdirSync(COMPILED, { recursive: true });
  symlinkSync(COMPILED, join(dirs.cache, "compiled"));
  for (const [name, text] of Object.entries(commands)) {
    writeFileSync(join(dirs.bin, name), text);
    chmodSync(join(dirs.bin, name), 0o755);
  }
  const settings = settle(
    EndpointConfig.parse({
      name: "test",
      provider: { type: "slurm" },
      launcher: { type: launcher, overrides },
      policy: { nodesPerBlock: nodes },
      mpi,
      node: { cores, memoryMb: 2_048, gpus },
      workers: { scratch: root, ...(init && { init }) },
      limits: { killGraceMs: 500 },
      orphanTimeoutMs: 60_000,
    }),
  );
  const endpoint = newId();
  const block = newId();
  const journal = await openJournal(join(root, "journal"));
  const table = createTaskTable();
  const interchange = createInterchange(table);
  let specs = 0;
  const results = new Map<string, CommandResult>();
  const functions = new Map<
    string,
    { code: Buffer; definition: { runtime: "command"; code: string; entry: string } }
  >();
  const logged: { level: string; message: string }[] = [];
  const say = (level: string) => (_: unknown, message: string) => void logged.push({ level, message });
  const managers = createManagers({
    table,
    interchange,
    journal,
    log: { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") } as never,
    workersPerNode: cores,
    secretOf: (id) => (id === block ? files.secretOf(id) : undefined),
    deadlineAt: () => uptimeMs() + 60_000,
    provenDead: () => false,
    onFrame(manager, frame, body) {
      if (frame.kind === "need-function") {
        const known = functions.get(frame.function);
        if (known)
          manager.link?.send({ kind: "function", function: frame.function, definition: known.definition }, [
            known.code,
          ]);
      } else if (frame.kind === "results") {
        let offset = 0;
        for (const entry of frame.results) {
          const bytes = body.subarray(offset, offset + (entry.length ?? 0));
          offset += (entry.length ?? 0) + (entry.stdout ?? 0) + (entry.stderr ?? 0);
          const value = entry.outcome === "succeeded" ? decodeValue(entry.encoding ?? "json", bytes) : undefined;
          results.set(entry.id, { ...entry, node: manager.hello.node, value } as never);
          const task = table.get(entry.id);
          if (task) interchange.ended(task);
          if (task) table.remove(task);
        }
        manager.link?.send({ kind: "taken", message: frame.message });
        interchange.pump();
      }
    },
    onChange: () => {},
    onSettled: () => {},
    turn: () => interchange.pump(),
  });
  const listener = await listenForManagers({
    at: { kind: "tls", host: "127.0.0.1", port: 0, identity: makeIdentity() },
    admit: (credential) =>
      admission({ secretOf: (id) => (id === block ? files.secretOf(id) : undefined) }, "slurm", credential),
    onLink: managers.accept,
  });
  const files = createBlockFiles({
    endpoint,
    dir: dirs.blocks,
    logDir: dirs.logs,
    cacheDir: dirs.cache,
    dial: listener.dial,
    settings,
    managerMain: MANAGER,
    env: {},
  });
  const request = files.prepare({ id: block, nodes, walltimeMs: null });
  const started: { child: ChildProcess; ended: Promise<number | null>; output: () => string }[] = [];

  return {
    block,
    request,
    managers,
    interchange,
    results,
    logged,
    dir: request.dir,
    connected: () => managers.of(block).filter((manager) => manager.link && interchange.managers.has(manager)),
    /** Runs what the block's script runs. */
    launch(env: Record<string, string> = {}) {
      const [file, ...args] = request.launch as [string, ...string[]];
      const path = `${dirs.bin}:${process.env.PATH}`;
      const child = spawn(file, args, {
        env: { ...process.env, PATH: path, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let text = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (text += data));
      const run = {
        child,
        ended: new Promise<number | null>((resolve) => child.once("close", resolve)),
        output: () => text + readLogs(dirs.logs),
      };
      started.push(run);
      return run;
    },
    /** Hands out one call of a command for each of `fields`; resolves to their results. */
    async run(template: string, fields: readonly object[], spec: Partial<LeaseSpec> = {}): Promise<CommandResult[]> {
      const code = Buffer.from(template);
      const definition = { runtime: "command" as const, code: sha256(code), entry: "default" };
      const id = sha256(definitionText(definition));
      functions.set(id, { code, definition });
      const bytes = fields.map((one) => Buffer.from(encodeValue([one]).bytes));
      const tasks = bytes.map(({ length }) => ({
        id: newId(),
        lease: 1,
        attempt: 0,
        length,
        encoding: encodeValue([{}]).encoding,
      }));
      interchange.accept(
        { specs: [{ key: ++specs, owner: "ann", ...spec, function: id }], tasks },
        Buffer.concat(bytes),
      );
      interchange.pump();
      await waitFor(() => tasks.every((task) => results.has(task.id)), { what: `the end of ${template}` }).catch(
        (error) => {
          throw new Error(`${error.message}; ${started.map((run) => run.output()).join("\n")}`);
        },
      );
      return tasks.map((task) => results.get(task.id) as CommandResult);
    },
    async stop() {
      for (const manager of managers.of(block)) manager.link?.send({ kind: "stop" });
      const timer = setTimeout(() => killBlockProcesses(`${endpoint}/`), 10_000);
      await Promise.all(started.map(({ ended }) => ended));
      clearTimeout(timer);
      killBlockProcesses(`${endpoint}/`);
      await listener.close();
      await journal.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
    scratch: () => readdirSync(root).filter((name) => name.startsWith("farcall-")),
  };
}

export type TestBlock = Awaited<ReturnType<typeof startTestBlock>>;

function readLogs(dir: string): string {
  return readdirSync(dir)
    .map((name) => readFileSync(join(dir, name), "utf8"))
    .join("\n");
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
