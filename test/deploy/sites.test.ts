import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { siteNames } from "../../deploy/sites/names.ts";
import { checkSite, missingFields, readSite, siteConfig, withSettings } from "../../deploy/sites/site.ts";

describe("site files", () => {
  it.each(siteNames())("%s fits the schema of a site, and its configurations that of an endpoint", (name) => {
    const site = readSite(name);
    expect(site.name).toBe(name);
    expect(() => checkSite(site)).not.toThrow();
    // Short enough to be read: facts, no manual.
    const lines = readFileSync(new URL(`../../deploy/sites/${name}.yaml`, import.meta.url), "utf8").split("\n").length;
    expect(lines).toBeLessThan(32);
  });

  it("are those of Blue Waters and of at least seven living machines, with Slurm, PBS and LSF among them", () => {
    expect(siteNames()).toContain("blue-waters");
    expect(siteNames().length).toBeGreaterThanOrEqual(8);
    const types = new Set(siteNames().map((name) => (readSite(name).config.provider as { type: string }).type));
    for (const type of ["torque", "slurm", "pbs", "lsf"]) expect(types).toContain(type);
  });

  it("have kinds of nodes, which change what differs and nothing else", () => {
    const { config } = siteConfig("perlmutter:gpu");
    expect(config).toMatchObject({
      provider: { type: "slurm", qos: "regular", constraint: "gpu" },
      node: { cores: 64, gpus: 4 },
    });
    expect(() => siteConfig("perlmutter:tpu")).toThrow(/it has: gpu/);
    expect(() => siteConfig("../../package")).toThrow(/there are anvil/);
  });

  it("name what only the user knows, until it is said", () => {
    const { site, config } = siteConfig("minerva");
    expect(missingFields(site, config)).toEqual(["provider.account", "node.cores", "node.memoryMb"]);
    const said = withSettings(config, [
      "provider.account=acc_x",
      "node.cores=8",
      "node.memoryMb=32000",
      "provider.queue=express",
    ]);
    expect(missingFields(site, said)).toEqual([]);
    expect(said).toMatchObject({ provider: { type: "lsf", queue: "express", account: "acc_x" }, node: { cores: 8 } });
    expect(() => withSettings(config, ["nonsense"])).toThrow(/field.field=value/);
  });
});
