/** Grid Engine: qsub, qstat, qdel, qacct. Recorded from 8.1.9 (Son of Grid Engine). */
import { ApiError } from "../../../protocol/errors.ts";
import type { Dialect, Job, ListedJob } from "./dialect.ts";
import { lastLine } from "./pbs-script.ts";
import { onceEach } from "./pbs-states.ts";
import { accountMeaning, stateMeaning } from "./sge-states.ts";
import { childText, type Element, parseXml } from "./xml.ts";

export const sge: Dialect = {
  type: "sge",
  // It takes hundreds, but no digit in front, no / : @ \ * ? and no white space.
  nameLength: 64,
  excludesNodes: true,
  directives: (job) => options(job).map((option) => `#$ ${option}`),
  submit: () => ["qsub", "-terse"],
  submitted: ({ stdout }) => lastLine(stdout, /^\d{1,10}$/),
  // Not by id: of several ids it leaves out what it does not know. With the last hundred that have ended, of all users.
  list: (user) => ["qstat", "-xml", "-u", user, "-s", "prsz"],
  listed: (output) => (output.code === 0 ? jobsOf(output.stdout) : undefined),
  history: {
    // It takes one id or one pattern of names. Accounting lags up to 15 s; what was never started is not in it.
    command: (ids, user, names = []) =>
      ids.length === 1 ? ["qacct", "-j", ids[0] as string] : ["qacct", "-o", user, "-j", pattern(names)],
    parse: (output) => (output.code === 0 ? ended(output.stdout) : undefined),
  },
  // It kills at once but for -notify. -f would forget jobs whose node does not answer, whether or not they live.
  cancel: (ids) => [["qdel", ...ids]],
};

function options({ options: config, exclude = [], ...job }: Job): string[] {
  const slots = job.nodes * job.coresPerNode;
  const asksForSlots = config.directives.some((text) => /^-pe\s/.test(text));
  if (slots > 1 && config.parallelEnvironment === undefined && !asksForSlots) {
    throw new ApiError(
      "CONFIG_INVALID",
      "provider.parallelEnvironment: SGE gives more than one slot only with a parallel environment",
    );
  }
  const asked = [
    // Plain seconds: it reads 5m as five million.
    ...(job.walltimeMs === null ? [] : [`h_rt=${Math.ceil(job.walltimeMs / 1_000)}`]),
    // What must be free, not h_vmem: a limit on address space is one that Node does not live with. Each slot asks for its part.
    ...(job.memoryMbPerNode === null ? [] : [`mem_free=${Math.ceil(job.memoryMbPerNode / job.coresPerNode)}M`]),
    ...(job.gpusPerNode > 0 ? [`gpu=${job.gpusPerNode}`] : []),
    ...(config.constraint?.split("&") ?? []),
    ...(config.nodeType === undefined ? [] : [config.nodeType]),
    ...(exclude.length === 0 ? [] : [`h=!(${exclude.join("|")})`]),
  ];
  return [
    // First, so that the walltime that we count with wins.
    ...config.directives,
    // Else the queue's own shell runs it, which may be csh.
    "-S /bin/sh",
    `-N ${job.name}`,
    "-j y",
    `-o ${job.logFile}`,
    "-m n",
    // A second start of the same job would be a second block that nobody asked for (FAULTS.md B6).
    "-r n",
    // USR2, and KILL some time later; else KILL comes without a warning.
    "-notify",
    ...(slots > 1 && config.parallelEnvironment !== undefined ? [`-pe ${config.parallelEnvironment} ${slots}`] : []),
    ...(asked.length > 0 ? [`-l ${asked.join(",")}`] : []),
    ...(config.queue === undefined ? [] : [`-q ${config.queue}`]),
    ...(config.account === undefined ? [] : [`-P ${config.account}`]),
    ...(config.reservation === undefined ? [] : [`-ar ${config.reservation}`]),
  ];
}

/** An empty list still has both of its parts. */
function jobsOf(stdout: string): ListedJob[] | undefined {
  const parts = parseXml(stdout, "job_info")?.children ?? [];
  if (parts.map(({ name }) => name).join() !== "queue_info,job_info") return undefined;
  const jobs = parts.flatMap(({ children }) => children);
  return jobs.every(({ name }) => name === "job_list") ? onceEach(jobs.map(fromXml)) : undefined;
}

/** Tasks of arrays have the number of their array: they are none of ours. */
function fromXml(job: Element): ListedJob | undefined {
  const id = childText(job, "JB_job_number");
  const name = childText(job, "JB_name");
  const meaning = stateMeaning(childText(job, "state") ?? "", job.attributes.state ?? "");
  if (!id || !/^\d{1,10}$/.test(id) || !name || !meaning) return undefined;
  return { id, name, ...meaning };
}

/** What all of these names begin with, and anything behind it. */
function pattern(names: readonly string[]): string {
  let common = names[0] ?? "";
  while (names.some((name) => !name.startsWith(common))) common = common.slice(0, -1);
  return `${common}*`;
}

/** A job has a record for each of its starts. The last one counts. */
function ended(stdout: string): ListedJob[] | undefined {
  const records = stdout.split(/^={20,}$/m);
  if (records.length < 2 || records[0]?.trim() !== "") return undefined;
  const jobs = new Map<string, ListedJob>();
  for (const record of records.slice(1)) {
    const field = (name: string) => new RegExp(`^${name} +(\\S.*?) *$`, "m").exec(record)?.[1];
    const [id, name, failed, status] = ["jobnumber", "jobname", "failed", "exit_status"].map(field);
    if (!id || !/^\d{1,10}$/.test(id) || !name) continue;
    const meaning = accountMeaning(failed ?? "", status ?? "");
    if (meaning) jobs.set(id, { id, name, ...meaning });
    else jobs.delete(id);
  }
  return [...jobs.values()];
}
