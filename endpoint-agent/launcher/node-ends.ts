/** What the nodes of a block write down when their manager ends with an error: which node that was, by its name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { lastWords } from "../provider/last-words.ts";
import { INCARNATIONS } from "./launch-script.ts";

/** A node whose manager, or what comes before it, has failed. */
export type FailedNode = { node: number; host: string; reason: string };

/** Shell lines that note the end of node `$farcall_node` in `$current`, unless all is well. */
export const NOTE_END = `farcall_note() {
  farcall_code=$?
  if [ "$farcall_code" != 0 ]; then
    printf '%s %s\\n' "\${SLURMD_NODENAME:-$(uname -n)}" "$farcall_code" >"$farcall_end.new" && mv -f "$farcall_end.new" "$farcall_end"
  fi
}
trap farcall_note EXIT`;

/** Reads those of the block's last incarnation; none when they cannot be read, as that says nothing of a node. */
export function readNodeEnds(blockDir: string, logOf: (node: number) => string): FailedNode[] {
  try {
    const all = join(blockDir, INCARNATIONS);
    const dir = join(all, readFileSync(join(all, "current"), "utf8").trim());
    return readdirSync(dir).flatMap((name) => {
      const node = /^end-(\d+)$/.exec(name)?.[1];
      const [, host, code] = /^(\S+) (\d+)$/m.exec(node ? readFileSync(join(dir, name), "utf8") : "") ?? [];
      if (!node || !host) return [];
      const words = lastWords(logOf(Number(node)));
      return [{ node: Number(node), host, reason: `node ${host}: exit code ${code}${words ? `: ${words}` : ""}` }];
    });
  } catch {
    return [];
  }
}
