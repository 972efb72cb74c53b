/** Queues and nodes of PBS, Torque and Moab over Torque. Pure. */
import {
  durationOf,
  leastOf,
  memoryMbOf,
  type NodeFacts,
  number,
  plainQueue,
  type Queue,
  type QueueFacts,
  words,
} from "./queue.ts";

/** Enough of the list of nodes to see their kinds. */
const NODE_LINES = 20_000;

/** What is asked; the answers are cut at lines of `--`. */
export const PBS_SCRIPT = `qstat -Q -f
echo --
qstat -B -f 2>/dev/null
echo --
pbsnodes -a 2>/dev/null | head -n ${NODE_LINES}
echo --
id -un; id -Gn`;

/** Reads the answers. */
export function parsePbs([queues = "", server = "", nodes = "", who = ""]: string[]): QueueFacts {
  const standard = /^\s*default_queue = (\S+)/m.exec(server)?.[1];
  const [user = "", ...groups] = words(who);
  const node = parsePbsNodes(nodes);
  return {
    queues: parseQstat(queues, { user, groups }).map((queue) => ({ ...queue, standard: queue.name === standard })),
    accounts: [],
    ...(node ? { node } : {}),
  };
}

/** `qstat -Q -f` of PBS and Torque. Routing queues, which pass jobs on, are queues too. */
export function parseQstat(text: string, who: { user: string; groups: readonly string[] } = NOBODY): Queue[] {
  // A long value goes on in the next line, after a tab.
  const whole = text.replace(/\n\t/g, "");
  return whole.split(/^Queue: */m).flatMap((part, index) => {
    const name = part.split("\n", 1)[0]?.trim();
    if (index === 0 || !name) return [];
    const field = (key: string) => new RegExp(`^\\s*${key.replace(".", "\\.")} = (.*)$`, "m").exec(part)?.[1]?.trim();
    const users = field("acl_user_enable") === "True" ? (field("acl_users") ?? "").split(",") : undefined;
    const groups = field("acl_group_enable") === "True" ? (field("acl_groups") ?? "").split(",") : undefined;
    const access = [users && `users ${users.join(", ")}`, groups && `groups ${groups.join(", ")}`].filter(Boolean);
    const may =
      (!users || users.some((entry) => entry.replace(/@.*$/, "").trim() === who.user)) &&
      (!groups || groups.some((group) => who.groups.includes(group.trim())));
    return [
      {
        ...plainQueue(name),
        open: field("enabled") === "True" && field("started") === "True" && may,
        walltimeMs: durationOf(field("resources_max.walltime") ?? ""),
        nodes: number(field("resources_max.nodect")),
        ...(access.length > 0 ? { access: `only ${access.join("; ")}` } : {}),
      },
    ];
  });
}

const NOBODY = { user: "", groups: [] };

/** `pbsnodes -a`: Torque says `np` and, in its status, `physmem`; PBS says `resources_available.…`. */
export function parsePbsNodes(text: string): NodeFacts | undefined {
  const nodes = text
    .replace(/\n\t/g, "")
    .split(/^(?=\S)/m)
    .map((part) => {
      const field = (key: string) => new RegExp(`^\\s+${key.replaceAll(".", "\\.")} = (\\S+)`, "m").exec(part)?.[1];
      const physical = /physmem=(\d+kb)/.exec(part)?.[1];
      return {
        state: field("state") ?? "",
        cores: number(field("resources_available.ncpus") ?? field("np")),
        memoryMb: memoryMbOf(field("resources_available.mem") ?? physical),
        gpus: number(field("resources_available.ngpus") ?? field("gpus")) ?? 0,
      };
    })
    .filter(({ state, cores }) => cores !== undefined && !/down|offline|unknown/.test(state));
  return leastOf(nodes.map(({ state: _, ...node }) => node));
}
