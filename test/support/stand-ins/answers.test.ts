/** The stand-ins give the recorded answers: exit codes and words of refusals, and of questions about jobs that are not there. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordings } from "../../endpoint-agent/provider/recordings.ts";
import { createStandIn, type StandIn } from "./stand-in.ts";

const OURS: Record<string, RegExp> = {
  torque: /nosuch\.sh|-q (nosuchq|small|avery)|-l (nosuchres|walltime|nodes)/,
  pbs: /-q nosuch$|-l (nosuchres|select|walltime=banana|nodes|mem|place)|-[rm] [xz]$|-Z$/,
};

for (const kind of ["torque", "pbs"]) {
  describe(`the stand-in for ${kind}`, () => {
    let standIn: StandIn;
    beforeAll(() => {
      standIn = createStandIn({ kind, settings: { np: 4, properties: ["xe"] } });
      standIn.control({ neverStart: true, nodes: 4 });
    });
    afterAll(() => standIn.stop());
    const run = (argv: string) => {
      const [name, ...args] = argv.split(" ") as [string, ...string[]];
      const { status, stdout, stderr } = spawnSync(join(standIn.bin, name), args, {
        input: "true\n",
        encoding: "utf8",
        cwd: standIn.dir,
      });
      return { code: status, stdout, stderr };
    };

    // The rest of the recorded refusals come from settings of a server, or from options that nobody here uses.
    for (const recorded of recordings(kind).submits.filter(({ code, argv }) => code !== 0 && OURS[kind]?.test(argv))) {
      it(`${recorded.argv.slice(0, 80)}: ${recorded.code}`, () => {
        const got = run(recorded.argv);
        const first = (text: string) => text.split("\n")[0];
        expect([got.code, first(got.stderr), got.stdout]).toEqual([
          recorded.code,
          first(recorded.stderr),
          recorded.stdout,
        ]);
      });
    }
  });
}
