/** Queues, parallel environments and hosts of Grid Engine. Pure. */
import { durationOf, leastOf, memoryMbOf, number, plainQueue, type Queue, type QueueFacts } from "./queue.ts";

/** What is asked; the answers are cut at lines of `--`. */
export const SGE_SCRIPT = `for queue in $(qconf -sql); do qconf -sq "$queue"; done
echo --
for environment in $(qconf -spl 2>/dev/null); do qconf -sp "$environment"; done
echo --
qhost 2>/dev/null`;

/** Reads the answers. */
export function parseSge([queues = "", environments = "", hosts = ""]: string[]): QueueFacts {
  const node = parseQhost(hosts);
  return {
    queues: parseQconf(queues),
    accounts: [],
    parallelEnvironments: blocksOf(environments, "pe_name").map((field) => ({
      name: field("pe_name") as string,
      rule: field("allocation_rule") ?? "",
    })),
    ...(node ? { node } : {}),
  };
}

/** `qconf -sq`, one after the other. */
export function parseQconf(text: string): Queue[] {
  return blocksOf(text, "qname").map((field) => {
    const lists = [
      ["members of", field("user_lists")],
      ["projects", field("projects")],
      ["not members of", field("xuser_lists")],
    ].filter(([, value]) => value !== undefined && value !== "NONE");
    const batch = field("qtype")?.split(/\s+/).includes("BATCH") !== false;
    return {
      ...plainQueue(field("qname") as string),
      open: batch && !/disabled/.test(field("initial_state") ?? ""),
      walltimeMs: limitOf(field("h_rt")),
      cores: number(field("slots")?.split(",")[0]),
      ...(lists.length > 0 ? { access: `only ${lists.map((list) => list.join(" ")).join("; ")}` } : {}),
    };
  });
}

/** `qhost`: a table of hosts, after two lines of titles and one for all of them. */
function parseQhost(text: string) {
  const rows = text.split("\n").map((line) => line.trim().split(/\s+/));
  const titles = rows.find(([first]) => first === "HOSTNAME") ?? [];
  const at = (row: string[], title: string) => row[titles.indexOf(title)];
  const hosts = rows.filter((row) => number(at(row, "NCPU")) !== undefined);
  return leastOf(
    hosts.map((row) => ({ cores: number(at(row, "NCPU")), memoryMb: memoryMbOf(at(row, "MEMTOT")), gpus: 0 })),
  );
}

/** Grid Engine's limits are `h:m:s`, seconds or `INFINITY`; of values for single hosts the first counts. */
function limitOf(text: string | undefined): number | undefined {
  const value = text?.split(",")[0]?.trim() ?? "";
  return /^\d+$/.test(value) ? Number(value) * 1_000 : durationOf(value);
}

/** Blocks of `key value` lines, each beginning with `first`; long values go on after a backslash. */
function blocksOf(text: string, first: string): ((key: string) => string | undefined)[] {
  const whole = text.replace(/\\\n\s*/g, "");
  return whole.split(new RegExp(`^(?=${first}\\s)`, "m")).flatMap((part) => {
    const fields = new Map(
      [...part.matchAll(/^(\w+)[ \t]+(.*)$/gm)].map(([, key, value]) => [key as string, (value as string).trim()]),
    );
    return fields.get(first) ? [(key: string) => fields.get(key)] : [];
  });
}
