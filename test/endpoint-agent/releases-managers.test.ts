/** FAULTS.md A2: what agents of released versions said to their managers is understood by the managers of this one, both of them. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { ManagerLink } from "../../endpoint-agent/manager-link.ts";
import { listenForManagers } from "../../endpoint-agent/websocket-listener.ts";
import type { LeaseEntry, ResultEntry } from "../../protocol/batch.ts";
import type { Frame } from "../../protocol/frame.ts";
import type { ManagerToAgent } from "../../protocol/manager-frames.ts";
import { MANAGERS, type ManagerType, managerArgv, OLDEST_PYTHON } from "../support/managers.ts";
import { waitFor } from "../support/wait-for.ts";
import { framesOf, RELEASES, widened } from "./recorded-frames.ts";

const versions = readdirSync(RELEASES).filter((name) => name.startsWith("v"));
const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const idOf = ({ header }: Frame) => (header as { id?: string }).id;

/** A manager of today, and an agent whose every word is a recorded one. */
async function setUp(type: ManagerType, recorded: readonly Frame[]) {
  const dir = mkdtempSync(join(tmpdir(), "farcall-release-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const said: ManagerToAgent[] = [];
  const results: ResultEntry[] = [];
  let link: ManagerLink | undefined;
  const ofKind = (kind: string) => recorded.filter(({ header }) => (header as { kind: string }).kind === kind);
  const say = ({ header, body }: Frame) => link?.send(header as never, [body]);
  const listener = await listenForManagers({
    at: { kind: "unix", path: join(dir, "agent.sock") },
    admit: () => "yes",
    onLink(opened) {
      link = opened;
      return {
        frame(frame) {
          said.push(frame);
          if (frame.kind === "hello") say(ofKind("welcome")[0] as Frame);
          // Of the beats nothing but the moment of this very one is said anew: else it would be an answer to another.
          if (frame.kind === "beat") {
            const [{ header, body } = { header: {}, body: new Uint8Array(0) }] = ofKind("beat-answer");
            say({ header: { ...(header as object), sentAt: frame.sentAt }, body });
          }
          if (frame.kind === "need-function") for (const one of ofKind("function")) say(one);
          if (frame.kind !== "results") return;
          results.push(...frame.results);
          for (const { id } of frame.starts) for (const one of ofKind("start")) if (idOf(one) === id) say(one);
        },
        closed() {},
      };
    },
  });
  cleanup.push(() => listener.close());
  for (const each of ["manager", "cache"]) mkdirSync(join(dir, each), { mode: 0o700 });
  writeFileSync(join(dir, "secret"), "a secret\n", { mode: 0o600 });
  const config = {
    endpoint: "test",
    block: "block-1",
    node: 0,
    dial: listener.dial,
    secretFile: join(dir, "secret"),
    dir: join(dir, "manager"),
    cacheDir: join(dir, "cache"),
    logFile: join(dir, "log"),
    capacity: { cores: 2, memoryMb: 1_000, gpus: 0 },
    workersPerNode: 2,
    orphanTimeoutMs: 60_000,
    ...(type === "python" && { python: OLDEST_PYTHON }),
  };
  writeFileSync(join(dir, "config.json"), JSON.stringify(config), { mode: 0o600 });
  const [command, ...args] = managerArgv(type);
  const child = spawn(command, [...args, "--config", join(dir, "config.json")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  cleanup.push(() => {
    child.kill("SIGKILL");
    return exited;
  });
  await waitFor(() => said.some(({ kind }) => kind === "beat"), { what: "a beat" });
  return { said, results, say, child };
}

describe.each(versions)("A2: agents of %s", (version) => {
  it.each(
    MANAGERS.flatMap(
      (type) =>
        [
          [type, "as they were", (header: unknown) => header],
          [type, "with fields that nobody knows", widened],
        ] as const,
    ),
  )(
    "A2: are understood by today's manager (%s), their frames %s; unknown kinds are passed over",
    async (type, _, change) => {
      const recorded = framesOf(version, `link ${type === "python" ? "python " : ""}agent`).map(({ header, body }) => ({
        header: change(header),
        body,
      }));
      const { said, results, say, child } = await setUp(type, recorded);
      say({ header: { kind: "from-the-future", answer: 42 }, body: new Uint8Array([1, 2, 3]) });
      const wanted = new Set<string>();
      for (const frame of recorded) {
        const header = frame.header as { kind: string; tasks?: LeaseEntry[] };
        if (["welcome", "beat-answer", "function", "start", "drain"].includes(header.kind)) continue;
        say(frame);
        for (const { id } of header.tasks ?? []) wanted.add(id);
        // Starts, receipts and cancels are about tasks that it has.
        if (header.kind === "tasks")
          await waitFor(() => said.some(({ kind }) => kind === "need-function" || kind === "results"));
      }
      expect(wanted.size).toBeGreaterThan(1);
      expect(results.filter(({ failure }) => failure)).toEqual([]);
      await waitFor(() => results.filter(({ outcome }) => outcome === "succeeded").length >= 2, {
        what: "two results",
      });
      expect(results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
      expect(results.every(({ id }) => wanted.has(id))).toBe(true);
      expect([child.exitCode, child.signalCode]).toEqual([null, null]);
      for (const frame of recorded) if ((frame.header as { kind: string }).kind === "drain") say(frame);
    },
  );
});
