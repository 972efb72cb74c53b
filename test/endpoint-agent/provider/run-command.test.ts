import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { runCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import { mountStalling, whyNoStall } from "../../support/stalling-directory.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

describe("a scheduler's command", () => {
  it("A9: that cannot be started for want of descriptors says so, and there is an answer", async () => {
    const program = `
      import { openSync } from "node:fs";
      import { runCommand } from "./endpoint-agent/provider/batch/run-command.ts";
      for (;;) try { openSync("/dev/null", "r"); } catch { break; }
      const output = await runCommand(["/bin/true"], { input: "", env: {}, timeoutMs: 1_000 });
      process.stdout.write(JSON.stringify(output));
    `;
    const node = [process.execPath, "--no-warnings", "--input-type=module-typescript", "-e", program];
    const text = execFileSync("sh", ["-c", 'ulimit -n 64; exec "$@"', "sh", ...node], { encoding: "utf8" });
    expect(JSON.parse(text)).toEqual({ code: null, stdout: "", stderr: expect.stringContaining("EMFILE") });
  });

  const why = whyNoStall();
  it.skipIf(why)("A10: that waits for a dead file server, and cannot be killed, is not waited for", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-stuck-"));
    cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
    // The outer one takes the question and cannot answer it while the inner one hangs: who asked sleeps uninterruptibly.
    const inner = await mountStalling(join(dir, "inner"));
    cleanup.push(inner.unmount);
    mkdirSync(join(dir, "inner", "home"));
    const outer = await mountStalling(join(dir, "outer"), join(dir, "inner", "home"));
    cleanup.push(outer.unmount);
    cleanup.push(inner.goOn);
    inner.stall();
    const output = await runCommand(["ls", join(dir, "outer")], {
      input: "",
      env: process.env as never,
      timeoutMs: 500,
    });
    expect(output).toEqual({ code: null, stdout: "", stderr: "ls: no answer within 0.5 s, and it could not be ended" });
    // That nobody can end it is no fault of the test.
    const other = spawn("ls", [join(dir, "outer")], { stdio: "ignore" });
    other.kill("SIGKILL");
    inner.goOn();
    await once(other, "exit");
  });
});
