import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/exit-codes.ts";
import { type CliHome, createCliHome } from "../support/cli.ts";

let home: CliHome;
let dir: string;
const config = (provider: string) =>
  writeFileSync(join(dir, "config.yaml"), `name: cluster\n${provider}\npolicy:\n  walltimeMs: 3600000\n`, {
    mode: 0o600,
  });
beforeAll(async () => {
  home = await createCliHome();
  dir = join(home.stateDir, "endpoints", "cluster");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
});
afterAll(() => home.remove());

describe("farcall endpoint script", () => {
  it("prints the script of a block on stdout and its command on stderr, and leaves nothing behind", async () => {
    config("provider:\n  type: slurm\n  queue: debug\n  prologue: module load nodejs");
    const run = await home.run(["endpoint", "script", "cluster"]);
    expect(run.code).toBe(0);
    expect(run.stderr).toBe("$ sbatch --parsable <script\n");
    expect(run.stdout).toMatch(/^#!\/bin\/bash\n#SBATCH --job-name=farcall-/);
    expect(run.stdout).toContain("\n#SBATCH --partition=debug\n");
    expect(run.stdout).toContain("\nmodule load nodejs\n");
    execFileSync("bash", ["-n"], { input: run.stdout });
    expect(readdirSync(join(dir, "run", "blocks"))).toEqual([]);
    expect((await home.run(["endpoint", "start", "cluster", "--print-script"])).stdout).toMatch(
      /^#!\/bin\/bash\n#SBATCH/,
    );
    const json = await home.json<{ argv: string[]; script: string }>(["endpoint", "script", "cluster"]);
    expect(json.argv).toEqual(["sbatch", "--parsable"]);
    expect(json.script).toContain("launch.sh");
  });

  it("shows what describes the script, where that is a file of its own", async () => {
    config("provider:\n  type: htcondor");
    const run = await home.run(["endpoint", "script", "cluster"]);
    expect(run.stderr).toMatch(
      /^\$ condor_submit -terse <<END\n(.*\n)*executable = \/.*\/block\.sh\n(.*\n)*queue 1\nEND\n$/,
    );
    expect(run.stdout).toMatch(/^#!\/bin\/bash\n/);
    const json = await home.json<{ description: string }>(["endpoint", "script", "cluster"]);
    expect(json.description).toContain("\nqueue 1\n");
  });

  it("says what a scheduler needs that the configuration does not have", async () => {
    config("provider:\n  type: sge\nnode:\n  cores: 4");
    const run = await home.run(["endpoint", "script", "cluster"]);
    expect(run.code).toBe(EXIT.usage);
    expect(run.stderr).toContain("provider.parallelEnvironment");
  });

  it("leaves blocks that run alone: their managers go on dialling the agent", async () => {
    config("provider:\n  type: slurm");
    const block = join(dir, "run", "blocks", "01990000-0000-7000-8000-000000000001");
    mkdirSync(block, { recursive: true, mode: 0o700 });
    const manager = join(block, "node-0.json");
    const text = JSON.stringify({ dial: { kind: "tls", host: "192.0.2.1", port: 7, fingerprint: "a".repeat(64) } });
    writeFileSync(manager, text, { mode: 0o600 });
    expect((await home.run(["endpoint", "script", "cluster"])).code).toBe(0);
    expect(readFileSync(manager, "utf8")).toBe(text);
    rmSync(block, { recursive: true });
  });

  it("says that the local provider has no script", async () => {
    config("provider:\n  type: local");
    const run = await home.run(["endpoint", "script", "cluster"]);
    expect(run.code).toBe(EXIT.usage);
    expect(run.stderr).toContain("without a script");
  });
});
