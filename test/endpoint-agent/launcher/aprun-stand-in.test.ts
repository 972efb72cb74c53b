/** aprun's launch lines on the stand-in for a Cray: the script runs on a MOM node, only aprun reaches the compute nodes. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aprun } from "../../../endpoint-agent/launcher/aprun.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { waitFor } from "../../support/wait-for.ts";

describe("aprun (stand-in)", () => {
  let cray: StandIn;
  beforeAll(() => {
    cray = createStandIn({ kind: "torque" });
  });
  afterAll(() => cray.stop());

  /** Runs a script as a job of two nodes, and gives its output. */
  const run = async (script: string): Promise<string> => {
    const out = join(cray.dir, "out");
    rmSync(out, { force: true });
    const argv = ["-l", "nodes=2:ppn=32:xe", "-j", "oe", "-o", out];
    const { stdout, stderr } = spawnSync(join(cray.bin, "qsub"), argv, {
      input: script,
      encoding: "utf8",
      cwd: cray.dir,
    });
    expect(stderr).toBe("");
    await waitFor(() => cray.jobs().some(({ id, state }) => id === stdout.trim() && state === "done"), {
      what: "the job",
    });
    return readFileSync(out, "utf8");
  };
  const where = 'echo "$(hostname) $STAND_IN_PLACE pe=$ALPS_APP_PE"';

  it("runs the script on a MOM node, and one manager on each compute node", async () => {
    const node = join(cray.dir, "node.sh");
    writeFileSync(node, `#!/bin/sh\n${where}\n`, { mode: 0o755 });
    const request = { nodes: 2, coresPerNode: 32, gpusPerNode: 0, nodeScript: node, dir: cray.dir, overrides: [] };
    const output = await run(`${where}\n${aprun(request).join(" ")}\n`);
    const lines = output.split("\n").filter((line) => / (mom|compute) /.test(line));
    expect(lines.sort()).toEqual(["mom1 mom pe=", "nid00001 compute pe=0", "nid00002 compute pe=1"]);
  });

  it("binds a program to one core unless it is told not to", async () => {
    const output = await run("aprun -q -n 1 -b nproc; aprun -q -n 1 -cc none -b nproc; nproc\n");
    const [bound, free, all] = output.trim().split("\n");
    expect(bound).toBe("1");
    expect(free).toBe(all);
  });

  it("copies the program away from its directory unless -b is given", async () => {
    const output = await run(
      "printf '#!/bin/sh\\ndirname \"$0\"\\n' >p.sh; chmod 755 p.sh; pwd; aprun -q -n 1 ./p.sh; aprun -q -n 1 -b ./p.sh\n",
    );
    const [home, copied, bypassed] = output.trim().split("\n");
    expect(copied).not.toBe(home);
    expect(bypassed).toBe(".");
  });

  it("ends as the program does, and takes the whole application with a rank that is killed", async () => {
    const output = await run(
      `aprun -n 1 -b /bin/sh -c 'exit 7'; echo "rc $?"
aprun -q -n 2 -N 1 -b /bin/sh -c '[ "$ALPS_APP_PE" = 0 ] && kill -9 $$; sleep 300'; echo "rc $?"
aprun -q -n 3 -N 1 -b true; echo "rc $?"
`,
    );
    expect(output).toContain("exit codes: 7\n");
    expect(output).toContain("rc 7\n");
    expect(output).toContain("initiated application termination");
    expect(output).toContain("rc 137\n");
    expect(output).toContain("apsched: claim exceeds reservation's node-count\nrc 1\n");
  });

  it("is refused outside a job", () => {
    const { status, stderr } = spawnSync(join(cray.bin, "aprun"), ["-n", "1", "true"], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, expect.stringContaining("must be run in a batch job")]);
  });
});
