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
import { fileOfTar, tar } from "../../../deploy/ssh/site/tar.ts";

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
