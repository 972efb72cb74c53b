/** FAULTS.md A6: two agents in one directory, because the lock was not seen, as on NFS. A whole stack, real processes. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { decodeJournal } from "../../endpoint-agent/journal-codec.ts";
import { EXIT_DO_NOT_RESTART } from "../../endpoint-agent/manager-config.ts";
import { findBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

async function setUp() {
  const config = { orphanTimeoutMs: 20_000, policy: { workersPerNode: 2 } };
  const stack = await startStack({ endpoints: [{ name: "laptop", config }] });
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  cleanup.push(async () => {
    await farcall.close();
    await stack.stop();
    expect(findBlockProcesses(`${stack.endpoint}/`), "I6: nothing of a block is left").toEqual([]);
  });
  await stack.kill("agent");
  const dir = stack.endpoints[0]?.dir ?? "";
  const start = async () => {
    const agent = await startOwnAgent({ dir });
    cleanup.push(agent.stop);
    return agent;
  };
  /** The lock is not seen: NFS has lost it, or shows another machine's as nobody's. */
  const startUnlocked = () => {
    rmSync(join(dir, "agent.pid"), { force: true });
    return start();
  };
  const evidence = join(stack.dir, "evidence");
  const call = (key: string, ms: number) => farcall.function(witness, { name: "witness" }).submit(evidence, key, ms);
  const begun = (...keys: string[]) =>
    waitFor(() => keys.every((key) => readEvidence(evidence).some((line) => line.key === key)), {
      what: `the start of ${keys.join(", ")}`,
    });
  return { dir, start, startUnlocked, call, begun, evidence };
}

describe("two agents in one directory whose lock lies", { timeout: 90_000 }, () => {
  it("A6: exactly one stays, by epoch; the other's work is killed, nothing runs twice at once, the survivor serves on", async () => {
    const { dir, start, startUnlocked, call, begun, evidence } = await setUp();
    const older = await start();
    const tasks = ["a", "b", "c", "d"].map((key) => call(key, 1_500));
    await begun("a", "b");
    const newer = await startUnlocked();
    expect(newer.epoch).toBe(older.epoch + 1);
    expect(await older.code()).toBe(EXIT_DO_NOT_RESTART);
    expect(await Promise.all(tasks)).toEqual(["a", "b", "c", "d"]);
    expect(newer.running()).toBe(true);
    // The older one has closed what it had in the directory; what is the newer's must still be there.
    expect(await call("e", 1)).toBe("e");
    expect(JSON.parse(readFileSync(join(dir, "agent.pid"), "utf8")).pid).toBe(newer.pid);
    const journal = decodeJournal(readFileSync(join(dir, "state", "journal")));
    expect(journal.kind, "two writers have not damaged it").toBe("ok");
    await newer.stop();
    const third = await start();
    expect(third.epoch).toBe(newer.epoch + 1);
    expect(await call("f", 1)).toBe("f");
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect(overlaps, "I3: two live attempts").toEqual([]);
    expect(starts.get("a")).toBeLessThanOrEqual(2);
  });

  it("A6: one that was stopped meanwhile finds, when it goes on, that all is taken, and leaves it alone", async () => {
    const { start, startUnlocked, call, begun, evidence } = await setUp();
    const older = await start();
    const task = call("a", 3_000);
    await begun("a");
    process.kill(older.pid, "SIGSTOP");
    const newer = await startUnlocked();
    // Its managers lose their agent, find the newer one in its place, and go on.
    expect(await task).toBe("a");
    process.kill(older.pid, "SIGCONT");
    expect(await older.code()).toBe(EXIT_DO_NOT_RESTART);
    expect(await call("b", 1)).toBe("b");
    expect(newer.running()).toBe(true);
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect(overlaps, "I3: two live attempts").toEqual([]);
    expect(Object.fromEntries(starts)).toEqual({ a: 1, b: 1 });
  });
});
