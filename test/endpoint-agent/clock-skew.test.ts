/** FAULTS.md A7: the agent's wall clock is wrong, steps or stands still. A whole stack; the agent under libfaketime. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { createFakeClock, removeLeftClocks, whyNoFakeClock } from "../support/fake-clock.ts";
import { alive, type OwnAgent, startOwnAgent } from "../support/own-agent.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const HOUR_S = 3_600;
const why = whyNoFakeClock();

describe.skipIf(why)(`a wrong clock${why ? ` (skipped: ${why})` : ""}`, { timeout: 60_000 }, () => {
  let stack: TestStack;
  let farcall: Farcall;
  let agent: OwnAgent | undefined;
  let evidence: string;
  let tests = 0;

  beforeAll(async () => {
    const config = { orphanTimeoutMs: 5_000, policy: { workersPerNode: 2 } };
    stack = await startStack({ endpoints: [{ name: "laptop", config }] });
    await stack.kill("agent");
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterEach(() => agent?.stop());
  afterAll(async () => {
    await farcall.close();
    await stack.stop();
    removeLeftClocks();
  });
  const startWith = async (time: string) => {
    evidence = join(stack.dir, `evidence-${++tests}`);
    const clock = createFakeClock(join(stack.dir, `clock-${tests}`), time);
    agent = await startOwnAgent({ dir: stack.endpoints[0]?.dir ?? "", env: clock.env });
    return clock;
  };
  const call = (key: string, ms: number) => farcall.function(witness, { name: "witness" }).submit(evidence, key, ms);
  const begun = (key: string) =>
    waitFor(() => readEvidence(evidence).some((line) => line.key === key), { what: `the start of ${key}` });
  const reconnects = () => agent?.log().split("NATS is connected again").length;

  it.each([
    ["an hour ahead", `+${HOUR_S}`],
    ["an hour behind", `-${HOUR_S}`],
    ["years behind, at the edge of a leap second", "@2016-12-31 23:59:58"],
  ])("A7: %s: work runs as ever, its credentials are renewed no more often", async (_, time) => {
    await startWith(time);
    expect(await call("a", 4_000)).toBe("a");
    expect(reconnects()).toBe(1);
    expect(judge(readEvidence(evidence)).starts.get("a")).toBe(1);
  });

  it("A7: that steps there and back while work runs kills nothing", async () => {
    const clock = await startWith("+0");
    const task = call("a", 8_000);
    await begun("a");
    for (const time of [`+${HOUR_S}`, `-${HOUR_S}`, "+0"]) {
      await sleep(1_500);
      clock.set(time);
    }
    expect(await task).toBe("a");
    expect(judge(readEvidence(evidence)).starts.get("a")).toBe(1);
  });

  it("A7: that stands still: work runs, and what has no contact is still killed at its deadline", async () => {
    await startWith("2026-01-01 00:00:00");
    expect(await call("a", 500)).toBe("a");
    const task = call("b", 60_000);
    await begun("b");
    const worker = readEvidence(evidence).find(({ key }) => key === "b")?.pid as number;
    process.kill(agent?.pid as number, "SIGSTOP");
    await waitFor(() => !alive(worker), { what: "its end at the deadline" });
    process.kill(agent?.pid as number, "SIGCONT");
    await task.cancel();
  });
});
