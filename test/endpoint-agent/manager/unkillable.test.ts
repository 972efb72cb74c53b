/** FAULTS.md A10: what user code left behind waits for a dead file server, and cannot be killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createSweeper } from "../../../endpoint-agent/manager/leftovers.ts";
import { WORKER_ENV } from "../../../endpoint-agent/manager-config.ts";
import { mountStalling, whyNoStall } from "../../support/stalling-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoStall();
describe.skipIf(why)(`a process that cannot be killed${why ? ` (skipped: ${why})` : ""}`, () => {
  it("A10: is looked for less and less often, until it is gone", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-stuck-"));
    cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
    const inner = await mountStalling(join(dir, "inner"));
    cleanup.push(inner.unmount);
    mkdirSync(join(dir, "inner", "home"));
    const outer = await mountStalling(join(dir, "outer"), join(dir, "inner", "home"));
    cleanup.push(outer.unmount);
    cleanup.push(inner.goOn);
    inner.stall();
    const nonce = `stuck-${process.pid}`;
    const env = { ...process.env, [WORKER_ENV]: `${nonce}/python-1` };
    const stuck = spawn("ls", [join(dir, "outer")], { stdio: "ignore", env });
    const ended = once(stuck, "exit");
    // Until it has asked, and sleeps.
    await sleep(300);
    let looks = 0;
    createSweeper(nonce, () => looks++)("python-1", undefined);
    await waitFor(() => looks > 2, { what: "a few looks" });
    await sleep(3_000);
    expect(looks, "not every 100 ms").toBeLessThan(10);
    expect(stuck.exitCode).toBeNull();
    inner.goOn();
    await ended;
  });
});
