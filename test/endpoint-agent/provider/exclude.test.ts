import { describe, expect, it } from "vitest";
import { DIALECTS } from "../../../endpoint-agent/provider/batch/dialects.ts";
import { job } from "./jobs.ts";

const exclude = ["n1", "nid00002.site"];

describe("B15: nodes that a job is not to come up on", () => {
  const linesOf = (type: keyof typeof DIALECTS, config: object = {}, nodes: readonly string[] = exclude) => {
    const asked = job({ coresPerNode: 1, exclude: nodes }, { type, ...config });
    const dialect = DIALECTS[type];
    return dialect?.description?.(asked, "/scratch/block.sh") ?? dialect?.directives(asked).join("\n") ?? "";
  };

  it.each([
    ["slurm", {}, "#SBATCH --exclude=n1,nid00002.site"],
    ["sge", {}, "#$ -l h_rt=93630,h=!(n1|nid00002.site)"],
    ["lsf", {}, "-R \"select[hname!='n1' && hname!='nid00002.site']\""],
    ["lsf", { constraint: "a|b" }, "-R \"select[(a || b) && hname!='n1' && hname!='nid00002.site']\""],
    ["flux", {}, '--requires="-host:n1,nid00002.site"'],
    ["flux", { constraint: "a|b" }, '--requires="(a|b)&-host:n1,nid00002.site"'],
    [
      "htcondor",
      {},
      ' && (regexp("^n1([.].*)?$", TARGET.Machine) =!= true) && (regexp("^nid00002[.]site([.].*)?$", TARGET.Machine) =!= true)',
    ],
  ] as const)("%s (%j)", (type, config, line) => {
    expect(DIALECTS[type]?.excludesNodes).toBe(true);
    expect(linesOf(type, config)).toContain(line);
    expect(linesOf(type, config, [])).not.toContain("n1");
  });

  it.each(["pbs", "torque", "moab"] as const)("%s has no way to say it, and says nothing of it", (type) => {
    expect(DIALECTS[type]?.excludesNodes).toBeUndefined();
    expect(linesOf(type)).toBe(linesOf(type, {}, []));
  });
});
