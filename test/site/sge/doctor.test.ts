import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createCliHome } from "../../support/cli.ts";
import { startSge, whyNoSge } from "../../support/sge/sge.ts";

const missing = whyNoSge();
type Seen = { config: string; findings: { check: string; state: string; found: string }[] };

it.skipIf(missing)(
  `doctor looks at a real Grid Engine; what it prints is an endpoint whose node it then looks at${missing ? ` (${missing})` : ""}`,
  async () => {
    await using scheduler = await startSge();
    await using home = await createCliHome();
    const { env } = scheduler;
    const options = { env: { ...env, HOME: home.dir } };
    expect((await home.run(["up", "--detach"], options)).code).toBe(0);
    const seen = await home.json<Seen>(["doctor", "--site", "here"], options);
    expect(seen.findings.find(({ check }) => check === "queues")?.found).toBe("all.q");
    expect(seen.config).toMatch(/type: sge\n {2}queue: all\.q\n {2}parallelEnvironment: smp\n/);
    const file = join(home.dir, "site.yaml");
    writeFileSync(file, seen.config);
    await home.json(["endpoint", "configure", "cluster", "--config", file], options);
    try {
      await home.json(["endpoint", "start", "cluster"], options);
      const node = await home.json<Seen>(["doctor", "--endpoint", "cluster", "--yes"], options);
      expect(node.findings.filter(({ state }) => state !== "ok")).toEqual([]);
      // The gateway hears of the block a little after the node has answered.
      const status = async () => (await home.run(["endpoint", "status", "cluster"], options)).stdout;
      await expect.poll(status).toMatch(/\n[0-9a-f-]{36} +\d+ +running +\S+ s? +1 +\d of \d +59 min/);
    } finally {
      await home.run(["endpoint", "stop", "cluster", "--now"], options);
    }
  },
);
