import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseState, startWay } from "../../../deploy/ssh/site/agent-control.ts";
import { wayOut } from "../../../deploy/ssh/site/egress.ts";
import { placesAt } from "../../../deploy/ssh/site/files.ts";
import { hereScripts, probeSite } from "../../../deploy/ssh/site/look.ts";
import { chooseNode, type LocalNode } from "../../../deploy/ssh/site/node-choice.ts";
import { agentFiles, importedPackages } from "../../../deploy/ssh/site/package-tree.ts";
import { isAtLeast, libcOf, parseProbe, type SiteFacts, schedulerOf } from "../../../deploy/ssh/site/probe.ts";
import { durationOf } from "../../../deploy/ssh/site/queue.ts";
import { parseBqueues } from "../../../deploy/ssh/site/queues-others.ts";
import { parseQstat } from "../../../deploy/ssh/site/queues-pbs.ts";
import { parseSinfo } from "../../../deploy/ssh/site/queues-slurm.ts";
import { suggestConfig } from "../../../deploy/ssh/site/suggest.ts";
import { fileOfTar, tar } from "../../../deploy/ssh/site/tar.ts";
import { parseConfig } from "../../../endpoint-agent/config-file.ts";

const here = await probeSite(hereScripts, undefined);
const local: LocalNode = { path: "/node", version: "24.1.0", os: "linux", arch: "x64", portable: true };

function site(changes: Partial<SiteFacts>): SiteFacts {
  return {
    ...here,
    os: "Linux",
    arch: "x86_64",
    node: undefined,
    libc: { kind: "glibc", version: "2.34" },
    ...changes,
  };
}

describe("the probe", () => {
  it("sees this machine as it is", () => {
    expect(here).toMatchObject({
      os: "Linux",
      home: process.env.HOME,
      writable: true,
      libc: { kind: expect.any(String) },
    });
    expect(here.freeBytes).toBeGreaterThan(0);
    // The same clock; what remains is that it says whole seconds.
    expect(Math.abs(here.clockOffsetMs)).toBeLessThan(30_000);
  });

  it("that did not come to its end is no probe, and any noise around it is no harm", () => {
    expect(() => parseProbe("os=Linux\n", 0)).toThrow(/SITE_UNFIT|did not run/);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", maxLength: 30 }), { maxLength: 20 }), (noise) => {
        const facts = parseProbe([...noise, "os=Linux", "end=yes"].join("\n"), 0);
        expect(JSON.stringify(facts)).not.toMatch(/\\u001b|\\u0007/);
      }),
    );
  });

  it("knows a libc by the words of its own programs", () => {
    expect(libcOf("glibc 2.36")).toEqual({ kind: "glibc", version: "2.36" });
    expect(libcOf("ldd (GNU libc) 2.11.3")).toEqual({ kind: "glibc", version: "2.11.3" });
    expect(libcOf("glibc 2.9")).toEqual({ kind: "glibc", version: "2.9" });
    expect(libcOf("ldd (GNU libc) 2.17")).toEqual({ kind: "glibc", version: "2.17" });
    expect(libcOf("ldd (Ubuntu GLIBC 2.35-0ubuntu3.8) 2.35")).toEqual({ kind: "glibc", version: "2.35" });
    expect(libcOf("musl libc (x86_64)")).toMatchObject({ kind: "musl" });
    expect(libcOf("")).toEqual({ kind: "unknown" });
  });

  it("tells batch systems whose commands have the same names apart", () => {
    expect(schedulerOf({ sbatch: "/s", qsub: "/q" }, "")).toBe("slurm");
    expect(schedulerOf({ qsub: "/q", qconf: "/c" }, "")).toBe("sge");
    expect(schedulerOf({ qsub: "/q", msub: "/m" }, "Version: 6.1.3")).toBe("moab");
    expect(schedulerOf({ qsub: "/q" }, "Version: 6.1.3")).toBe("torque");
    expect(schedulerOf({ qsub: "/q" }, "pbs_version = 23.06.06")).toBe("pbs");
    expect(schedulerOf({ bsub: "/b" }, "")).toBe("lsf");
    expect(schedulerOf({}, "")).toBeUndefined();
  });

  it("compares versions as numbers", () => {
    expect(isAtLeast("2.9", "2.28")).toBe(false);
    expect(isAtLeast("22.19.0", "22.19.0")).toBe(true);
    expect(isAtLeast("24", "22.19.0")).toBe(true);
  });
});

describe("the Node.js of a site", () => {
  const glibc = (version: string) => ({ kind: "glibc", version }) as const;

  it("is its own where that is new enough", () => {
    const programs = { node: "/opt/node" };
    expect(chooseNode(site({ node: "22.19.0", programs }), local)).toMatchObject({ from: "site", path: "/opt/node" });
    expect(chooseNode(site({ node: "18.20.0", programs }), local)).toMatchObject({ from: "here" });
  });

  it("is this machine's where system, processor and libc fit", () => {
    expect(chooseNode(site({ libc: glibc("2.28") }), local)).toEqual({
      from: "here",
      path: "/node",
      version: "24.1.0",
    });
    expect(chooseNode(site({ arch: "aarch64" }), local)).toMatchObject({
      from: "release",
      variant: "linux-arm64",
      unofficial: false,
    });
    expect(chooseNode(site({}), { ...local, portable: false })).toMatchObject({
      from: "release",
      variant: "linux-x64",
    });
  });

  it("is a build for an older libc, or for musl, where those are", () => {
    expect(chooseNode(site({ libc: glibc("2.17") }), local)).toMatchObject({
      variant: "linux-x64-glibc-217",
      unofficial: true,
    });
    expect(chooseNode(site({ libc: { kind: "musl", version: "" } }), local)).toMatchObject({
      variant: "linux-x64-musl",
    });
  });

  it("is none where none runs, which is said with the way that is left", () => {
    for (const libc of [glibc("2.11"), glibc("2.16"), { kind: "unknown" } as const]) {
      expect(chooseNode(site({ libc }), local)).toMatchObject({
        from: "nowhere",
        why: expect.stringContaining("--driver ssh"),
      });
    }
    expect(chooseNode(site({ os: "Darwin" }), local)).toMatchObject({
      from: "nowhere",
      why: expect.stringContaining("--node"),
    });
  });
});

describe("what a batch system says of its queues", () => {
  it("sinfo: partitions with their limits and their smallest nodes", () => {
    const text =
      "debug*|infinite|1|4|900|(null)|up\ndebug*|infinite|2|8+|1900|gpu:a100:4(S:0-1)|up\nshort|2:00|3|4|900|gpu:2|up\nold|1-00:00:00|9|4|900|(null)|down\n";
    expect(parseSinfo(text)).toMatchObject([
      { name: "debug", standard: true, open: true, walltimeMs: undefined, nodes: 3, cores: 4, memoryMb: 900, gpus: 0 },
      { name: "short", standard: false, walltimeMs: 120_000, nodes: 3, gpus: 2 },
      { name: "old", open: false, walltimeMs: 86_400_000 },
    ]);
  });

  it("qstat -Q -f of the real Torque", () => {
    const text = `Queue: batch
    queue_type = Execution
    total_jobs = 28
    state_count = Transit:0 Queued:0 Held:1 Waiting:0 Running:1 Exiting:0 Comp
\tlete:26 
    resources_default.nodes = 1
    resources_default.walltime = 01:00:00
    mtime = 1795410687
    resources_assigned.nodect = 1
    enabled = True
    started = True

Queue: small
    queue_type = Execution
    resources_max.walltime = 00:10:00
    mtime = 1795410687
    enabled = True
    started = False
`;
    expect(parseQstat(text)).toMatchObject([
      { name: "batch", open: true, walltimeMs: undefined },
      { name: "small", open: false, walltimeMs: 600_000 },
    ]);
  });

  it("bqueues -w, whatever its columns hold", () => {
    const text =
      "QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP  RSV PJOBS\npremium         100  Open:Active       -    -    -    -  9   3   6  0  0  0\nold 10 Closed:Inact - - - - 0 0 0 0 0 0\n";
    expect(parseBqueues(text)).toMatchObject([
      { name: "premium", open: true },
      { name: "old", open: false },
    ]);
  });

  it("reads durations as schedulers write them, and garbage as nothing", () => {
    expect(durationOf("2-12:30:00")).toBe(217_800_000);
    expect(durationOf("2-12")).toBe(216_000_000);
    expect(durationOf("30")).toBe(1_800_000);
    expect(durationOf("infinite")).toBeUndefined();
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200 }),
        (text) => void [parseSinfo(text), parseQstat(text), parseBqueues(text), durationOf(text)],
      ),
    );
  });

  it("makes a configuration that an endpoint takes", () => {
    const queues = parseSinfo("gpu|1-00:00:00|9|64|256000|gpu:4|up\ncpu*|30:00|9|128|512000|(null)|up\n");
    const facts = site({ scheduler: "slurm", commands: { sbatch: "/s", srun: "/s" }, proxy: "http://proxy:3128" });
    const text = suggestConfig("cluster", facts, { queues, accounts: ["m1"] });
    expect(text).toContain("# further queues: gpu");
    expect(parseConfig(text)).toMatchObject({
      config: {
        provider: { type: "slurm", queue: "cpu", account: "m1" },
        launcher: { type: "srun" },
        policy: { walltimeMs: 1_800_000 },
        node: { cores: 128, memoryMb: 486_400 },
        proxy: "http://proxy:3128",
      },
    });
    expect(
      parseConfig(suggestConfig("laptop", site({ scheduler: undefined }), { queues: [], accounts: [] })),
    ).toMatchObject({ config: { provider: { type: "local" } } });
  });
});

describe("what is sent to a site", () => {
  it("is an archive that tar unpacks, the same bytes for the same files", () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-tar-"));
    try {
      const name = `${"long/".repeat(30)}file-é.txt`;
      const entries = [
        { path: name, content: Buffer.from("deep") },
        { path: "empty", content: Buffer.alloc(0) },
        { path: "run", content: Buffer.alloc(1024, 7), executable: true },
      ];
      const archive = tar(entries);
      expect(tar(entries.toReversed()).equals(archive)).toBe(true);
      writeFileSync(join(dir, "a.tar"), archive);
      execFileSync("tar", ["xf", "a.tar"], { cwd: dir });
      for (const { path, content } of entries) {
        expect(readFileSync(join(dir, path)).equals(content)).toBe(true);
        expect(fileOfTar(archive, path)?.equals(content)).toBe(true);
      }
      expect(fileOfTar(archive, "nothing")).toBeUndefined();
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("is the agent with the packages that it imports, and nothing that it does not need", () => {
    const paths = agentFiles().map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        "package.json",
        "endpoint-agent/main.ts",
        "protocol/task.ts",
        "endpoint-agent/worker/farcall_worker.py",
      ]),
    );
    const packages = new Set(paths.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
    for (const name of ["nats", "pino", "ws", "yaml", "zod"]) expect(packages).toContain(name);
    for (const name of ["esbuild", "ssh2", "hono", "typescript", "vitest"]) expect(packages).not.toContain(name);
    expect(paths.filter((path) => /(^|\/)test\/|\.d\.ts$/.test(path))).toEqual([]);
  });

  it("counts what is imported at the start", () => {
    const source =
      'import { a } from "nats";\nimport "pino/file.js";\nexport type { B } from "@scope/name/part";\nimport c from "node:fs";\nimport { d } from "./e.ts";\nconst f = await import("zod/later");\n';
    expect(importedPackages(source)).toEqual(["nats", "pino", "@scope/name"]);
  });

  it("lies below the home directory, or where it is said", () => {
    expect(placesAt("/home/me", { name: "x" })).toEqual({
      data: "/home/me/.local/share/farcall",
      endpoint: "/home/me/.local/state/farcall/endpoints/x",
    });
    expect(placesAt("/home/me", { name: "x", base: "/scratch/me" })).toEqual({
      data: "/scratch/me/share",
      endpoint: "/scratch/me/endpoints/x",
    });
  });
});

describe("the agent at a site", () => {
  it("is kept by what the site has", () => {
    expect(startWay(site({ lingers: true, programs: { tmux: "/t" } }))).toBe("systemd");
    expect(startWay(site({ lingers: false, programs: { tmux: "/t" } }))).toBe("tmux");
    expect(startWay(site({ lingers: false, programs: {} }))).toBe("nohup");
  });

  it("says its state in words", () => {
    expect(parseState("host=login1 here=login1 how=tmux\nstate=running pid=17\n")).toEqual({
      state: "running",
      pid: 17,
      host: "login1",
      here: "login1",
      how: "tmux",
    });
    expect(parseState("state=not-running")).toEqual({ state: "not-running" });
    expect(parseState("sh: not found")).toBeUndefined();
  });

  it("has a way out, or the message says every way that was tried", () => {
    const line = (reached: object[]) => `noise\n${JSON.stringify({ reached })}\n`;
    const blocked = { proxy: null, gateway: "connect ECONNREFUSED", nats: "not tried" };
    expect(wayOut(line([blocked, { proxy: "http://p:1", gateway: null, nats: null }]), "")).toMatchObject({
      proxy: "http://p:1",
    });
    expect(() => wayOut(line([blocked, { proxy: "http://p:1", gateway: null, nats: "timeout" }]), "")).toThrow(
      /directly, gateway: connect ECONNREFUSED; through p:1, NATS: timeout.*--gateway/,
    );
    expect(() => wayOut("", "\x1b[31mSyntaxError")).toThrow(/could not be asked.*: SyntaxError/);
  });
});
