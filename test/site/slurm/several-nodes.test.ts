import { expect, it } from "vitest";
import { whyNoSlurm } from "../../support/slurm.ts";
import { startSite } from "./support.ts";

const missing = whyNoSlurm();

it.skipIf(missing)(
  `srun starts a manager on each node of a block of a real Slurm, and the ranks of commands on several nodes${missing ? ` (${missing})` : ""}`,
  async () => {
    await using site = await startSite({
      policy: { nodesPerBlock: 2 },
      config: { launcher: { type: "srun" } },
    });
    const { farcall } = site;
    const ranks = farcall.command(
      "{launcher} /bin/sh -c 'echo $SLURM_PROCID on $SLURMD_NODENAME of $SLURM_NTASKS' | sort",
    );
    const onBoth = ranks.with({ resources: { nodes: 2, ranksPerNode: 2 }, timeoutMs: 60_000 });
    expect((await onBoth()).stdout).toBe("0 on n1 of 4\n1 on n1 of 4\n2 on n2 of 4\n3 on n2 of 4\n");
    // Side by side: each waits for the other.
    const one = farcall.command(
      "touch {d}-$FARCALL_HOSTS; until [ $(ls {d}-* | wc -l) -ge 2 ]; do sleep 0.1; done; {launcher} /bin/sh -c 'echo $SLURMD_NODENAME'",
    );
    const d = `${site.stack.dir}/meeting`;
    const onOne = one.with({ resources: { nodes: 1 }, timeoutMs: 60_000 });
    const names = (await Promise.all([onOne({ d }), onOne({ d })])).map(({ stdout }) => stdout.trim());
    expect(names.sort()).toEqual(["n1", "n2"]);
    const where = farcall.command("sleep 1; echo $SLURMD_NODENAME");
    const small = await Promise.all(Array.from({ length: 4 }, () => where()));
    expect(new Set(small.map(({ stdout }) => stdout.trim()))).toEqual(new Set(["n1", "n2"]));
  },
);
