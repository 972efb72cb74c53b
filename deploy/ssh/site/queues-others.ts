/** Queues of LSF and Flux, and the pool of HTCondor, which has none. Pure. LSF and Flux are read as their documents show them. */
import { leastOf, memoryMbOf, number, plainQueue, type Queue, type QueueFacts, words } from "./queue.ts";

/** What LSF is asked; the answers are cut at lines of `--`. */
export const LSF_SCRIPT = `bqueues -w
echo --
bqueues -l 2>/dev/null
echo --
bparams 2>/dev/null
echo --
lshosts -w 2>/dev/null`;

/** Reads them. */
export function parseLsf([table = "", details = "", parameters = "", hosts = ""]: string[]): QueueFacts {
  const standard = words(/^Default Queues?:(.*)$/m.exec(parameters)?.[1] ?? "")[0];
  const limits = runLimits(details);
  const node = parseLshosts(hosts);
  return {
    queues: parseBqueues(table).map((queue) => ({
      ...queue,
      ...limits.get(queue.name),
      standard: queue.name === standard,
    })),
    accounts: [],
    ...(node ? { node } : {}),
  };
}

/** `bqueues -w`: a table whose second column is a priority and whose third is the state. */
export function parseBqueues(text: string): Queue[] {
  return text.split("\n").flatMap((line) => {
    const [name, priority, state] = line.trim().split(/\s+/);
    if (!name || !state || !/^\d+$/.test(priority ?? "")) return [];
    return [{ ...plainQueue(name), open: /^Open:/.test(state) }];
  });
}

/** `bqueues -l`: under MAXIMUM LIMITS, RUNLIMIT and below it minutes; USERS names who may submit. */
function runLimits(text: string): Map<string, Partial<Queue>> {
  const found = new Map<string, Partial<Queue>>();
  for (const part of text.split(/^QUEUE: */m).slice(1)) {
    const name = part.split("\n", 1)[0]?.trim() ?? "";
    const most = part.split(/^\s*MAXIMUM LIMITS:/m).at(-1) ?? "";
    const minutes = /RUNLIMIT[^\n]*\n\s*(\d+(?:\.\d+)?) min/.exec(most)?.[1];
    const users = /^USERS:(.*)$/m.exec(part)?.[1]?.trim();
    found.set(name, {
      ...(minutes === undefined ? {} : { walltimeMs: Number(minutes) * 60_000 }),
      ...(users === undefined || /^all\b/.test(users) ? {} : { access: `only users ${words(users).join(", ")}` }),
    });
  }
  return found;
}

/** `lshosts -w`: a table; login nodes have no LSF server on them, or few cores. */
function parseLshosts(text: string) {
  const rows = text.split("\n").map((line) => line.trim().split(/\s+/));
  const titles = rows[0] ?? [];
  const at = (row: string[], title: string) => row[titles.indexOf(title)];
  const hosts = rows.filter((row) => number(at(row, "ncpus")) !== undefined && at(row, "server") !== "No");
  return leastOf(
    hosts.map((row) => ({ cores: number(at(row, "ncpus")), memoryMb: memoryMbOf(at(row, "maxmem")), gpus: 0 })),
  );
}

/** What HTCondor is asked. */
export const HTCONDOR_SCRIPT = "condor_status -af Machine TotalCpus TotalMemory TotalGPUs";

/** Reads it: a line for each slot. */
export function parseHtcondor([text = ""]: string[]): QueueFacts {
  const machines = new Map<string, { cores: number | undefined; memoryMb: number | undefined; gpus: number }>();
  for (const line of text.split("\n")) {
    const [name, cores, memory, gpus] = line.trim().split(/\s+/);
    const whole = (value: string | undefined) => number(value?.replace(/\.0+$/, ""));
    if (name && whole(cores) !== undefined) {
      machines.set(name, { cores: whole(cores), memoryMb: whole(memory), gpus: whole(gpus) ?? 0 });
    }
  }
  const node = leastOf([...machines.values()]);
  return { queues: [], accounts: [], ...(node ? { node } : {}) };
}

/** What Flux is asked. */
export const FLUX_SCRIPT = `flux queue list
echo --
flux resource list -s all -n -o '{nnodes} {ncores} {ngpus}' 2>/dev/null`;

/** Reads it: a table that marks the standard queue, and the sums of nodes, cores and GPUs. */
export function parseFlux([table = "", resources = ""]: string[]): QueueFacts {
  const [nodes, cores, gpus] = cellsOf(resources.split("\n")[0] ?? "").map(number);
  const per = (sum: number | undefined) => (nodes && sum !== undefined ? Math.floor(sum / nodes) : undefined);
  const node = nodes ? { count: nodes, cores: per(cores), memoryMb: undefined, gpus: per(gpus) ?? 0 } : undefined;
  return { queues: parseFluxQueues(table), accounts: [], ...(node ? { node } : {}) };
}

function parseFluxQueues(text: string): Queue[] {
  const [titles = [], ...rows] = text.split("\n").map(cellsOf);
  const at = (row: string[], ...names: string[]) => row[titles.findIndex((title) => names.includes(title))] ?? "";
  return rows.flatMap((row) => {
    const label = at(row, "QUEUE", "QUEUEM");
    // Where no queues are configured the name's column is empty, and nothing has to be named.
    if (row.length < titles.length || !/^\*?[\w.-]+\*?$/.test(label)) return [];
    const nodes = /-(\d+)$/.exec(at(row, "NNODES"))?.[1];
    const closed = [at(row, "EN"), at(row, "ST")].some((mark) => /^(✗|n|no|false)$/i.test(mark));
    return [
      {
        ...plainQueue(label.replaceAll("*", "")),
        standard: label.includes("*"),
        open: !closed,
        walltimeMs: fluxDuration(at(row, "TLIMIT")),
        nodes: number(nodes),
      },
    ];
  });
}

/** `8h`, `1.5d`, `30m`; `inf` and the like are no limit. */
function fluxDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * ({ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as string] as number);
}

/** The cells of a line, also equal ones. */
function cellsOf(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}
