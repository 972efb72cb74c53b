/** Torque: qsub, qstat, qdel. Recorded from 6.1.3; Blue Waters is the model site. */
import type { Dialect, Job, ListedJob } from "./dialect.ts";
import { TORQUE_VERDICTS } from "./exit-status.ts";
import { asks, clockTime, lastLine } from "./pbs-script.ts";
import { fromFields, onceEach, TORQUE_STATES } from "./pbs-states.ts";
import { childText, type Element, parseXml } from "./xml.ts";

export const torque: Dialect = {
  type: "torque",
  // Longer names are cut in tables, and refused by old releases.
  nameLength: 15,
  directives: (job) => torqueOptions(job).map((option) => `#PBS ${option}`),
  submit: () => ["qsub"],
  submitted: ({ stdout }) => lastLine(stdout, /^\d+(?:\.[\w.-]+)?$/),
  // One question: 200 ids on a command line take 330 ms, and plain qstat cuts ids.
  list: (user) => ["qstat", "-f", "-x", "-u", user],
  listed: (output) => (output.code === 0 ? jobsOf(output.stdout) : undefined),
  // It has no harder way that leaves a trace: -p forgets the job and needs a manager's rights.
  cancel: (ids, { force }) => [...(force ? [["qsig", "-s", "SIGKILL", ...ids]] : []), ["qdel", ...ids]],
};

/** Without the `#PBS`. Of two lines that name the same resource the later one wins, and we write one. */
export function torqueOptions({ options: config, ...job }: Job): string[] {
  const features = config.constraint?.split("&") ?? [];
  const asProperties = features.every((feature) => /^[\w.=-]+$/.test(feature));
  const nodes = [
    `nodes=${job.nodes}:ppn=${job.coresPerNode}`,
    ...(job.gpusPerNode > 0 ? [`gpus=${job.gpusPerNode}`] : []),
    ...(config.nodeType === undefined ? [] : [config.nodeType]),
    ...(asProperties ? features : []),
  ].join(":");
  return [
    // First, so that the walltime that we count with wins.
    ...config.directives,
    `-N ${job.name}`,
    "-j oe",
    `-o ${job.logFile}`,
    "-m n",
    // A second start of the same job would be a second block that nobody asked for (FAULTS.md B6).
    "-r n",
    ...(asks(config.directives, "nodes") ? [] : [`-l ${nodes}`]),
    ...(job.walltimeMs === null ? [] : [`-l walltime=${clockTime(job.walltimeMs)}`]),
    // Of the whole job.
    ...(job.memoryMbPerNode === null ? [] : [`-l mem=${job.memoryMbPerNode * job.nodes}mb`]),
    ...(asProperties ? [] : [`-l feature=${config.constraint}`]),
    ...(config.queue === undefined ? [] : [`-q ${config.queue}`]),
    ...(config.account === undefined ? [] : [`-A ${config.account}`]),
    ...(config.qos === undefined ? [] : [`-l qos=${config.qos}`]),
    ...(config.reservation === undefined ? [] : [`-l advres=${config.reservation}`]),
  ];
}

/** An empty list is `<Data></Data>`; nothing at all is no answer. */
function jobsOf(stdout: string): ListedJob[] | undefined {
  const data = parseXml(stdout, "Data");
  if (data?.text.trim() !== "" || data.children.some(({ name }) => name !== "Job")) return undefined;
  return onceEach(data.children.map(fromXml));
}

function fromXml(job: Element): ListedJob | undefined {
  const text = (name: string) => childText(job, name);
  const fields = {
    id: text("Job_Id"),
    name: text("Job_Name"),
    state: text("job_state"),
    exitStatus: text("exit_status"),
    comment: text("comment"),
    holds: text("Hold_Types"),
  };
  return fromFields(fields, TORQUE_STATES, TORQUE_VERDICTS);
}
