import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createCliHome } from "../../support/cli.ts";
import { startSlurm, whyNoSlurm } from "../../support/slurm.ts";

const missing = whyNoSlurm();
const CONF = [
  "PartitionName=short Nodes=n1 MaxTime=30 MaxNodes=1 State=UP",
  "PartitionName=restricted Nodes=ALL AllowGroups=nobody-at-all State=UP",
];

type Seen = { config: string; findings: { check: string; state: string; found: string }[] };

it.skipIf(missing)(
  `doctor looks at a real Slurm; what it prints is an endpoint whose node it then looks at${missing ? ` (${missing})` : ""}`,
  async () => {
    await using scheduler = await startSlurm({ conf: CONF });
    await using home = await createCliHome();
    const { env } = scheduler;
    const options = { env: { ...env, HOME: home.dir } };
    expect((await home.run(["up", "--detach"], options)).code).toBe(0);
    const seen = await home.json<Seen>(["doctor", "--site", "here"], options);
    const said = seen.findings.find(({ check }) => check === "queues")?.found;
    expect(said).toMatch(
      /^debug \(the default, 2 nodes\), short \(up to 30 min, 1 node\); not for you or not open: restricted/,
    );
    expect(seen.config).toMatch(/type: slurm\n {2}queue: debug\n/);
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
