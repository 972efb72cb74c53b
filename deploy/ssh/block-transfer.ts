/** The files of blocks over an SSH connection: there before a block starts, and what it has said back. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Driver } from "../../endpoint-agent/driver.ts";
import type { EndpointLayout } from "../../endpoint-agent/layout.ts";
import { scriptLogOf } from "../../endpoint-agent/provider/script-log.ts";
import { ApiError } from "../../protocol/errors.ts";
import { runBounded, scriptBounded } from "./bounded.ts";
import type { LoginSession } from "./session.ts";
import { quote } from "./shell.ts";
import { type TarEntry, tar } from "./site/tar.ts";

export type TransferOptions = {
  session(): Promise<LoginSession>;
  /** here */
  layout: Pick<EndpointLayout, "blocks" | "blockLogs">;
  /** there */
  places: Driver["places"];
};

export type Transfer = Pick<Driver, "push" | "pull" | "remove"> & {
  /** Removes what earlier runs have left there. */
  sweep(): Promise<void>;
};

const COMMAND_MS = 60_000;
/** With the manager in Python it is some hundred kilobytes. */
const PUSH_MS = 300_000;
const TAIL_BYTES = 8_192;
/** Of blocks in one command. */
const MOST_BLOCKS = 200;
/** Logs that are kept there, the newest. */
const KEPT_LOGS = 50;
const CONFIG = /^node-\d+\.json$/;
const BLOCK = /^[0-9a-f-]{36}$/;

/** Makes the way of a driver's files. */
export function createTransfer({ session, layout, places }: TransferOptions): Transfer {
  const unwanted = new Set<string>();
  const script = async (text: string) => {
    const site = await session();
    const { code, stdout, stderr } = await scriptBounded(site, text, { timeoutMs: COMMAND_MS });
    if (code !== 0) throw new ApiError("SSH_FAILED", `${site.name}: ${stderr.trim() || "a command failed"}`);
    return stdout;
  };
  const clear = async () => {
    const blocks = [...unwanted].slice(0, MOST_BLOCKS);
    if (blocks.length === 0) return;
    const all = blocks.map((block) => quote(join(places.dir, block))).join(" ");
    // Ids of blocks are in the order of time, and so are the names of their logs.
    const old = `ls | sort -r | tail -n +${KEPT_LOGS + 1} | while read -r log; do`;
    const logs = `cd ${quote(places.logDir)} && ${old} [ -d ${quote(places.dir)}/"\${log%-*}" ] || rm -f "$log"; done`;
    await script(`rm -rf ${all}\n${logs}`);
    for (const block of blocks) unwanted.delete(block);
    await clear();
  };
  return {
    async push(block, which = "all") {
      const { files, dirs } = filesOf(join(layout.blocks, block), which);
      if (files.length === 0) return;
      const site = await session();
      // Each in its place at once: a manager may be reading its own.
      // And whole: a disk that is full ends the first part. Scratch file systems remove directories that are empty for long.
      const text = `umask 077; mkdir -p "$1" "$2" "$3" && cd "$1/$4" 2>/dev/null || { mkdir "$1/$4" && cd "$1/$4"; } || exit
shift 4; new=.new.$$; mkdir -p "$new" "$@" && (cd "$new" && tar xf -) && mv -f "$new"/* . && rmdir "$new" && exit
code=$?; rm -rf "$new"; exit "$code"`;
      const { dir, logDir, cacheDir } = places;
      const argv = ["/bin/sh", "-c", text, "sh", dir, logDir, cacheDir, block, ...dirs];
      const { code, stderr } = await runBounded(site, argv, { stdin: once(tar(files)), timeoutMs: PUSH_MS });
      if (code === 0) return;
      const why = stderr.trim() || (code === null ? "the command was cut short" : `exit code ${code}`);
      throw new ApiError(
        code === null ? "SSH_FAILED" : "SITE_UNFIT",
        `${site.name}: a block's files cannot be written in ${places.dir}: ${why}`,
      );
    },
    async pull(blocks) {
      await clear();
      for (let at = 0; at < blocks.length; at += MOST_BLOCKS) {
        const some = blocks.slice(at, at + MOST_BLOCKS);
        const mark = randomBytes(9).toString("hex");
        const said = await script(some.map((block) => readBlock(block, mark, places)).join("\n"));
        for (const { block, exit, words } of parseBlocks(said, mark)) {
          // Removed meanwhile.
          if (!existsSync(join(layout.blocks, block))) continue;
          if (exit !== "") writeFileSync(join(layout.blocks, block, "exit"), exit, { mode: 0o600 });
          if (words !== "") writeFileSync(join(layout.blockLogs, `${block}-0.log`), words, { mode: 0o600 });
        }
      }
    },
    async remove(block) {
      unwanted.add(block);
      await clear();
    },
    async sweep() {
      const here = new Set(readdirSync(layout.blocks));
      for (const name of (await script(`ls ${quote(places.dir)}`)).split("\n")) {
        if (BLOCK.test(name) && !here.has(name)) unwanted.add(name);
      }
      await clear();
    },
  };
}

/** What the agent has written for a block; how its script ended is for the site to say. */
function filesOf(dir: string, which: "all" | "configurations"): { files: TarEntry[]; dirs: string[] } {
  const names = readdirSync(dir).filter((name) => name !== "exit" && (which === "all" || CONFIG.test(name)));
  const of = names.map((name) => ({ name, stat: statSync(join(dir, name)) }));
  return {
    dirs: of.filter(({ stat }) => stat.isDirectory()).map(({ name }) => name),
    files: of
      .filter(({ stat }) => stat.isFile())
      .map(({ name, stat }) => ({
        path: name,
        content: readFileSync(join(dir, name)),
        executable: (stat.mode & 0o100) !== 0,
      })),
  };
}

/** Says what one block has written: its exit file, then the end of its log, or else of its script's. */
function readBlock(block: string, mark: string, { dir, logDir }: { dir: string; logDir: string }): string {
  const [log, other] = [join(logDir, `${block}-0.log`), scriptLogOf(join(logDir, `${block}-0.log`))].map(quote);
  return `printf '\\n${mark} ${block}\\n'; cat ${quote(join(dir, block, "exit"))} 2>/dev/null; printf '\\n${mark}-\\n'
if [ -s ${log} ]; then tail -c ${TAIL_BYTES} ${log}; else tail -c ${TAIL_BYTES} ${other}; fi 2>/dev/null; :`;
}

/** Reads what the site was made to say of blocks. What is in a log cannot be taken for another block: it does not know the mark. */
export function parseBlocks(text: string, mark: string): { block: string; exit: string; words: string }[] {
  return text
    .split(`\n${mark} `)
    .slice(1)
    .map((part) => {
      const [head = "", words = ""] = part.split(`\n${mark}-\n`);
      const end = head.indexOf("\n");
      return { block: end < 0 ? head : head.slice(0, end), exit: end < 0 ? "" : head.slice(end + 1), words };
    });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
