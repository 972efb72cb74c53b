/** PBS Pro and OpenPBS: qsub, qstat, qdel. Recorded from the release 23.06.06 and from the master of 2026. */
import type { Dialect, Job, ListedJob } from "./dialect.ts";
import { PBS_VERDICTS } from "./exit-status.ts";
import { asks, clockTime, lastLine } from "./pbs-script.ts";
import { fromFields, onceEach, PBS_STATES } from "./pbs-states.ts";
import { blocksOf, jobsOfJson } from "./pbs-text.ts";

export const pbs: Dialect = {
  type: "pbs",
  // Tables cut longer names, and releases before 14 refuse them.
  nameLength: 15,
  directives: (job) => options(job).map((option) => `#PBS ${option}`),
  submit: () => ["qsub"],
  submitted: ({ stdout }) => lastLine(stdout, /^\d+\.[\w.-]+$/),
  // With ids it takes 30 s for 200 jobs, and newer releases list only the first. -u does not go with -f.
  list: () => ["qstat", "-f", "-F", "json"],
  // The same object comes from a server that is down, with 255.
  listed: (output) => (output.code === 0 ? listOf(jobsOfJson(output.stdout)) : undefined),
  // One job of anybody can make the JSON of all unreadable, as one that is called nan.
  plain: {
    list: () => ["qstat", "-f"],
    // Nothing at all is no answer: there was a list a moment ago.
    listed: (output) => (output.code === 0 && output.stdout !== "" ? listOf(blocksOf(output.stdout)) : undefined),
  },
  history: {
    // Not as JSON, which lists only the first. 153: some are unknown. Where history is off, nothing comes, with 0.
    command: (ids) => ["qstat", "-x", "-f", ...ids],
    parse: (output) => {
      if (output.code !== 0 && output.code !== UNKNOWN_JOB) return undefined;
      return output.stdout.trim() === ""
        ? []
        : listOf(blocksOf(output.stdout))?.filter(({ state }) => state === "gone");
    },
  },
  // A second qdel starts the wait before the kill anew. `-W force` would forget jobs whose node does not answer.
  cancel: (ids, { force }) => [...(force ? [["qsig", "-s", "SIGKILL", ...ids]] : []), ["qdel", ...ids]],
};

const UNKNOWN_JOB = 153;

function options({ options: config, ...job }: Job): string[] {
  const properties = [config.nodeType, ...(config.constraint?.split("&") ?? [])].filter((part) => part !== undefined);
  const chunk = [
    `ncpus=${job.coresPerNode}`,
    // One line a node in PBS_NODEFILE, one task a node for pbsdsh.
    "mpiprocs=1",
    ...(job.gpusPerNode > 0 ? [`ngpus=${job.gpusPerNode}`] : []),
    ...(job.memoryMbPerNode === null ? [] : [`mem=${job.memoryMbPerNode}mb`]),
    ...properties.map((property) => (property.includes("=") ? property : `${property}=True`)),
  ].join(":");
  const chosen = asks(config.directives, "select", "nodes");
  // A reservation is a queue there.
  const queue = config.reservation ?? config.queue;
  return [
    // First, so that the walltime that we count with wins.
    ...config.directives,
    `-N ${job.name}`,
    "-j oe",
    `-o ${job.logFile}`,
    "-m n",
    // A second start of the same job would be a second block that nobody asked for (FAULTS.md B6).
    "-r n",
    ...(chosen ? [] : [`-l select=${job.nodes}:${chunk}`]),
    ...(chosen || asks(config.directives, "place") ? [] : [`-l place=scatter${config.exclusive ? ":excl" : ""}`]),
    ...(job.walltimeMs === null ? [] : [`-l walltime=${clockTime(job.walltimeMs)}`]),
    ...(queue === undefined ? [] : [`-q ${queue}`]),
    ...(config.account === undefined ? [] : [`-A ${config.account}`]),
    ...(config.qos === undefined ? [] : [`-l qos=${config.qos}`]),
  ];
}

function listOf(jobs: ReturnType<typeof blocksOf>): ListedJob[] | undefined {
  return jobs && onceEach(jobs.map((fields) => fromFields(fields, PBS_STATES, PBS_VERDICTS)));
}
