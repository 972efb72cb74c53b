import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { stalePages } from "../../docs/generate.ts";
import { BatchConfig } from "../../endpoint-agent/provider-config.ts";
import { ERRORS } from "../../protocol/errors.ts";
import { OPERATIONS } from "../../protocol/operations.ts";
import { ROOT, read, trackedFiles } from "../support/repository.ts";

describe("documents", () => {
  it("that are generated say what the code says", async () => {
    expect(await stalePages(), "run `npm run docs`").toEqual([]);
  });

  it("name every error code once", () => {
    const page = read("docs/errors.md");
    for (const code of Object.keys(ERRORS)) expect(page.split(`| \`${code}\` |`), code).toHaveLength(2);
  });

  it("name the fields of a batch scheduler and of a login", () => {
    const page = read("docs/configuration.md");
    for (const field of Object.keys(BatchConfig.shape)) expect(page).toContain(`| \`provider.${field}\` |`);
    expect(page).toContain("| `driver.host` (required with `ssh`) |");
    expect(page).toContain("| `driver.forward.address` |");
  });

  it("describe every operation", () => {
    const page = read("docs/http-api.md");
    for (const [name, { method, path }] of Object.entries(OPERATIONS)) {
      expect(page, name).toContain(`### \`${method} ${path}\``);
      expect(page, name).toContain(`*(\`${name}\`;`);
    }
  });

  it.each([[[]], [["up"]], [["tasks", "ls"]]])("show the help of farcall %j as it is printed", (command) => {
    const help = execFileSync(process.execPath, [join(ROOT, "bin/farcall.mjs"), ...command, "--help"], {
      encoding: "utf8",
      env: { PATH: process.env.PATH },
    });
    expect(read("docs/cli.md")).toContain(`\`\`\`text\n${help.trimEnd()}\n\`\`\``);
  });

  it("link only to files and headings that are there", () => {
    const broken: string[] = [];
    for (const page of trackedFiles().filter((path) => path.endsWith(".md"))) {
      for (const [, target = ""] of withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = "", anchor] = target.split("#");
        const path = file === "" ? page : join(dirname(page), file);
        if (!existsSync(join(ROOT, path))) broken.push(`${page}: ${target}`);
        else if (anchor !== undefined && !anchors(read(path)).includes(anchor)) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "``");
}

/** The anchors of a page's headings as GitHub makes them. */
function anchors(markdown: string): string[] {
  const headings = markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ +(.+)$/gm);
  return [...headings].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
