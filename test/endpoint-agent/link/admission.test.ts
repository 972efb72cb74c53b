import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBlockFiles } from "../../../endpoint-agent/block-files.ts";
import { EndpointConfig, settle } from "../../../endpoint-agent/config.ts";
import { admission } from "../../../endpoint-agent/link/admission.ts";

let root: string;
let files: ReturnType<typeof createBlockFiles>;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "farcall-admission-"));
  for (const name of ["blocks", "logs"]) mkdirSync(join(root, name));
  files = open();
});
afterEach(() => rmSync(root, { recursive: true }));

/** As an agent that has just been started: it has read nothing yet. */
const open = () =>
  createBlockFiles({
    endpoint: "endpoint",
    dir: join(root, "blocks"),
    logDir: join(root, "logs"),
    cacheDir: join(root, "cache"),
    dial: { kind: "unix", path: "/" },
    settings: settle(EndpointConfig.parse({ name: "test", provider: { type: "slurm" } })),
    managerMain: "/main.ts",
    env: {},
  });

describe("who may open a connection", () => {
  it("lets in who knows the secret of a block, and nobody else", () => {
    files.prepare({ id: "b1", nodes: 1, walltimeMs: null });
    const secret = files.secretOf("b1") as string;
    const again = open();
    expect(admission(again, "slurm", { block: "b1", secret })).toBe("yes");
    expect(admission(again, "slurm", { block: "b1", secret: `${secret}x` })).toBe("no");
    expect(admission(again, "slurm", { block: "b2", secret })).toBe("no");
    expect(admission(again, "slurm", undefined)).toBe("no");
    expect(admission(undefined, "slurm", { block: "b1", secret })).toBe("later");
  });

  it("does not send a manager away, which would kill its work, because a secret cannot be read just now", () => {
    // As a file on a file system that does not answer, it is there and cannot be read.
    mkdirSync(join(root, "blocks", "b1", "secret"), { recursive: true });
    expect(admission(files, "slurm", { block: "b1", secret: "s" })).toBe("later");
    rmSync(join(root, "blocks", "b1"), { recursive: true });
    expect(admission(files, "slurm", { block: "b1", secret: "s" })).toBe("no");
  });
});

describe("logs of managers", () => {
  it("stay as long as their block, however many there are; of ended blocks the newest 50 do", () => {
    for (let node = 0; node < 60; node++) writeFileSync(join(root, "logs", `a-live-${node}.log`), "");
    for (let block = 10; block < 80; block++) writeFileSync(join(root, "logs", `ended-${block}-0.log`), "");
    mkdirSync(join(root, "blocks", "a-live"));
    files.prepare({ id: "new", nodes: 1, walltimeMs: null });
    const left = readdirSync(join(root, "logs"));
    expect(left.filter((name) => name.startsWith("a-live"))).toHaveLength(60);
    expect(left.filter((name) => name.startsWith("ended"))).toHaveLength(50);
    expect(left).toContain("ended-79-0.log");
  });
});
