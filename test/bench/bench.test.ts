import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/repository.ts";

const run = promisify(execFile);
const MAIN = join(ROOT, "bench", "main.ts");

describe("npm run bench", () => {
  it("prints one flat object of numbers", async () => {
    const { stdout } = await run(process.execPath, [MAIN, "--quick", "--json", "--only", "sequential,first-result"]);
    const numbers = JSON.parse(stdout) as Record<string, unknown>;
    expect(numbers.durability).toBe("disk");
    for (const key of [
      "seq_p50_ms",
      "seq_p99_ms",
      "seq_ratio",
      "raw_commit_ms",
      "raw_http_ms",
      "raw_nats_request_ms",
      "raw_ipc_ms",
      "first_result_s",
    ]) {
      expect(numbers[key], key).toBeGreaterThan(0);
    }
  }, 120_000);

  it("refuses a workload that there is not", async () => {
    await expect(run(process.execPath, [MAIN, "--only", "nonsense"])).rejects.toThrow(
      /expected some of sequential, noop/,
    );
  });
});
