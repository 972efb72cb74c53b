import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configSchemaText, EndpointConfig, settle } from "../../endpoint-agent/config.ts";
import { parseConfig, readConfigFile, suggest } from "../../endpoint-agent/config-file.ts";
import { readCredentials } from "../../endpoint-agent/credentials.ts";

const SCHEMA_FILE = new URL("../../endpoint-agent/config.schema.json", import.meta.url);

function mistakesOf(text: string) {
  const parsed = parseConfig(text);
  return "mistakes" in parsed ? parsed.mistakes : [];
}

describe("an endpoint's configuration", () => {
  it("needs a name and nothing else", () => {
    const settings = settle(EndpointConfig.parse({ name: "laptop" }));
    expect(settings.policy).toMatchObject({ initBlocks: 0, minBlocks: 0, maxBlocks: 1, nodesPerBlock: 1 });
    expect(settings.policy.workersPerNode).toBe(settings.node.cores);
    expect(settings.node.memoryMb).toBeGreaterThan(100);
    expect(settings.orphanTimeoutMs).toBe(60_000);
  });

  it("is described by the published JSON Schema", () => {
    const hint = "write configSchemaText() of endpoint-agent/config.ts to config.schema.json";
    expect(JSON.parse(readFileSync(SCHEMA_FILE, "utf8")), hint).toEqual(JSON.parse(configSchemaText()));
  });

  it("answers every mistake with file, line, column, field, value and what would be right", () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-config-"));
    const file = join(dir, "config.yaml");
    const text = [
      "name: laptop # fine",
      "policy:",
      "  maxBlock: 3",
      "  minBlocks: -1",
      "  parallelism: 2",
      "node: { cores: two }",
      "provider:",
      "  type: slurmy",
      "launcher:",
      "  overrides: short",
      "limits: 5",
      "",
    ].join("\n");
    writeFileSync(file, text);
    let message = "";
    try {
      readConfigFile(file);
    } catch (error) {
      expect(error).toMatchObject({ code: "CONFIG_INVALID" });
      message = (error as Error).message;
    } finally {
      rmSync(dir, { recursive: true });
    }
    expect(message.split("\n")).toEqual([
      `${file}:3:3: policy.maxBlock is unknown; expected \`maxBlocks\`?`,
      `${file}:4:14: policy.minBlocks is -1; expected at least 0`,
      `${file}:5:16: policy.parallelism is 2; expected at most 1`,
      `${file}:6:16: node.cores is "two"; expected a number`,
      `${file}:8:9: provider.type is "slurmy"; expected one of "local", "slurm", "pbs", "torque", "moab", "sge", "lsf", "htcondor", "flux"`,
      `${file}:10:14: launcher.overrides is "short"; expected a list`,
      `${file}:11:9: limits is 5; expected fields of its own`,
    ]);
  });

  it("suggests a key of the provider that is meant, and refuses values that a shell would read", () => {
    const text = "name: a\nprovider:\n  type: slurm\n  que: x\n  account: $(id)\n";
    expect(mistakesOf(text)).toEqual([
      expect.objectContaining({ line: 4, field: "provider.que", value: "unknown", expected: "`queue`?" }),
      expect.objectContaining({
        line: 5,
        field: "provider.account",
        expected: "a plain word without spaces or quotes",
      }),
    ]);
  });

  it("names a field that is missing, at the place where it should be", () => {
    expect(mistakesOf("policy: {}\n")).toEqual([
      expect.objectContaining({ field: "name", value: "missing", expected: "a string" }),
    ]);
  });

  it("says where YAML itself is wrong, also for the same key twice", () => {
    expect(mistakesOf("name: a\nname: b\n")[0]).toMatchObject({ line: 2, field: "the file", value: "not YAML" });
    expect(mistakesOf("name: [a\n")[0]?.line).toBeGreaterThan(0);
  });

  it("refuses more blocks at the least than at the most", () => {
    expect(mistakesOf("name: a\npolicy: { minBlocks: 3, maxBlocks: 2 }\n")).toEqual([
      expect.objectContaining({ line: 2, field: "policy.minBlocks", value: "3", expected: "at most maxBlocks" }),
    ]);
  });

  it("is not blown up by aliases", () => {
    const bomb = ["name: a", "x: &x [1, 2]", ...Array.from({ length: 60 }, (_, i) => `y${i}: [*x, *x]`)].join("\n");
    expect(() => parseConfig(bomb)).not.toThrow();
    expect(mistakesOf(bomb).length).toBeGreaterThan(0);
  });

  it("is refused when others may change it, and so are credentials that others may read", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-config-"));
    const [config, credentials] = [join(dir, "config.yaml"), join(dir, "credentials.json")];
    writeFileSync(config, "name: a\n");
    writeFileSync(credentials, JSON.stringify({ gateway: "http://127.0.0.1:1", endpoint: "e", token: "t" }));
    chmodSync(config, 0o620);
    chmodSync(credentials, 0o640);
    expect(() => readConfigFile(config)).toThrow(/can be changed by others: chmod go-w/);
    await expect(readCredentials(dir)).rejects.toThrow(/can be read by others.*chmod 600/);
    chmodSync(config, 0o644);
    chmodSync(credentials, 0o600);
    expect(readConfigFile(config).name).toBe("a");
    expect((await readCredentials(dir)).endpoint).toBe("e");
    rmSync(dir, { recursive: true });
  });

  it("does not exist: says how to make one", () => {
    expect(() => readConfigFile("/nowhere/config.yaml")).toThrow(/does not exist; `farcall endpoint configure`/);
  });

  it("suggests the nearest key, or all of them when none is near", () => {
    expect(suggest("maxblocks", ["minBlocks", "maxBlocks"])).toBe("`maxBlocks`?");
    expect(suggest("zebra", ["minBlocks", "maxBlocks"])).toBe("one of minBlocks, maxBlocks");
  });
});
