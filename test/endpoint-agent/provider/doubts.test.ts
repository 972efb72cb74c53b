import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { uptimeMs } from "../../../endpoint-agent/clock.ts";
import { readExitFile } from "../../../endpoint-agent/provider/batch/exit-file.ts";
import type { Provider } from "../../../endpoint-agent/provider/port.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { until } from "../support.ts";
import { type Bench, openBench } from "./batch-support.ts";

describe("a submission without an answer, whose script began and which no list has", () => {
  let standIn: StandIn;
  let bench: Bench;
  beforeEach(() => {
    standIn = createStandIn({ kind: "slurm" });
    bench = openBench(standIn);
  });
  afterEach(async () => {
    bench.close();
    await standIn.stop();
  });
  /** Loses the answer and then the job; resolves when the script has come as far as `ended` says. */
  const submitLost = async (provider: Provider, launch: string[], { ended }: { ended: boolean }) => {
    standIn.fault({ command: "sbatch", do: "lose", code: 1, stderr: "sbatch: error: Socket timed out\n" });
    const request = bench.request({ launch });
    await expect(provider.submit(request)).rejects.toThrow("Socket timed out");
    await until("the script has begun", () => {
      const file = readExitFile(request.dir);
      return file !== undefined && (!ended || file.end !== null);
    });
    standIn.control({ forget: true });
    return request;
  };
  const untilNone = (provider: Provider, block: string) =>
    until("it is given up", () =>
      provider.find(block).then(
        (job) => job === undefined,
        () => false,
      ),
    );

  it("B12: is over when the script has ended", async () => {
    const provider = bench.engine({ orphanTimeoutMs: 3_600_000 });
    const { name } = await submitLost(provider, ["sh", "-c", "exit 3"], { ended: true });
    await untilNone(provider, name);
  });

  it("B12: is over when its managers, which nobody has heard since, are certainly dead; not while they answer", async () => {
    const provider = bench.engine();
    const { name } = await submitLost(provider, ["sleep", "600"], { ended: false });
    bench.contacts.set(name, { at: uptimeMs(), connected: true });
    const squeues = () => standIn.calls().filter(({ command }) => command === "squeue").length;
    const before = squeues();
    await until("it was looked for again and again", async () => {
      await expect(provider.find(name)).rejects.toThrow("not known yet");
      return squeues() >= before + 8;
    });
    bench.contacts.set(name, { at: uptimeMs(), connected: false });
    await expect(provider.find(name)).rejects.toThrow("not known yet");
    await untilNone(provider, name);
  });
});
