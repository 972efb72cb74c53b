/** HTCondor: condor_submit, condor_q, condor_rm, condor_history. Recorded from 23.9.6. */
import { ApiError } from "../../../protocol/errors.ts";
import type { CommandOutput, Dialect, Job, ListedJob } from "./dialect.ts";
import { attributesOf, jobOf } from "./htcondor-states.ts";
import { lastLine } from "./pbs-script.ts";
import { onceEach } from "./pbs-states.ts";

const ATTRIBUTES =
  "ClusterId,ProcId,JobStatus,JobBatchName,ExitCode,ExitBySignal,ExitSignal,HoldReason,HoldReasonCode,RemoveReason,ZFarcallName";

export const htcondor: Dialect = {
  type: "htcondor",
  nameLength: 64,
  excludesNodes: true,
  // A job gets hardly any environment. A tilde is the home directory of whoever runs the shell.
  directives: () => ['[ -n "$USER" ] || export USER=$(id -un)', '[ -n "$HOME" ] || export HOME=~'],
  description,
  submit: () => ["condor_submit", "-terse"],
  // "12.0 - 12.0"
  submitted: ({ stdout }) => /^(\d+\.0) - \1$/.exec(lastLine(stdout, /^\d+\.0 - \d+\.0$/) ?? "")?.[1],
  // Of this user, if it is not asked for others. All attributes would be 30 times as much.
  list: () => ["condor_q", "-json", "-attributes", ATTRIBUTES],
  // When there are none, it prints nothing at all.
  listed: (output) => jobsOf(output, (ad) => jobOf(ad, "queue")),
  history: {
    command: (ids) => ["condor_history", "-json", "-attributes", ATTRIBUTES, ...ids],
    parse: (output) => jobsOf(output, (ad) => jobOf(ad, "history")),
  },
  // -forcex would forget jobs whose node does not answer, whether or not they live.
  cancel: (ids) => [["condor_rm", ...ids]],
};

/** Seconds between TERM and KILL; the site's own is ten minutes. */
const VACATE_SECONDS = 30;
/** So long an ended job stays in the list, before its history alone knows it. */
const LINGER_SECONDS = 3_600;
const ASSIGNMENT = /^\+?[A-Za-z_][\w.]*\s*=(?!=)/;

/** The submit description. Of two lines for the same command the later one wins. */
function description({ options: config, exclude = [], ...job }: Job, script: string): string {
  if (job.nodes > 1) throw new ApiError("CONFIG_INVALID", "policy.nodesPerBlock: HTCondor gives a block one node");
  for (const line of config.directives) {
    // A line without = might queue more jobs, or include a file.
    if (!ASSIGNMENT.test(line))
      throw new ApiError("CONFIG_INVALID", `provider.directives: HTCondor's are lines as key = value: ${line}`);
  }
  const given = config.directives.filter((line) => !REQUIREMENTS.test(line));
  const requirements = [
    // A second start of the same job would be a second block that nobody asked for (FAULTS.md B6).
    "NumJobStarts =?= undefined || NumJobStarts == 0",
    ...config.directives.filter((line) => REQUIREMENTS.test(line)).map((line) => line.replace(REQUIREMENTS, "")),
    ...(config.nodeType === undefined ? [] : [config.nodeType]),
    ...(config.constraint === undefined
      ? []
      : [config.constraint.replaceAll(/&+/g, " && ").replaceAll(/\|+/g, " || ")]),
    // Its name of a machine has a domain, the machine's own may have none.
    ...exclude.map((node) => `regexp("^${node.replaceAll(".", "[.]")}([.].*)?$", TARGET.Machine) =!= true`),
  ];
  const seconds = job.walltimeMs === null ? null : Math.ceil(job.walltimeMs / 1_000);
  // Not allowed_job_duration, which would hold the job: somebody would have to remove it.
  const over = [
    "JobStatus == 1 && NumJobStarts > 0",
    ...(seconds === null ? [] : [`JobStatus == 2 && time() - EnteredCurrentStatus > ${seconds}`]),
  ];
  return `${[
    ...given,
    "universe = vanilla",
    // Else the directory of whoever runs condor_submit.
    `initialdir = ${script.slice(0, script.lastIndexOf("/"))}`,
    `executable = ${script}`,
    "arguments =",
    "transfer_executable = false",
    "should_transfer_files = NO",
    `JobBatchName = "${job.name}"`,
    // It is printed last: between the two is one job.
    `+ZFarcallName = "${job.name}"`,
    `output = ${job.logFile}`,
    `error = ${job.logFile}`,
    "notification = never",
    `request_cpus = ${job.coresPerNode}`,
    ...(job.memoryMbPerNode === null ? [] : [`request_memory = ${job.memoryMbPerNode}`]),
    ...(job.gpusPerNode === 0 ? [] : [`request_gpus = ${job.gpusPerNode}`]),
    ...(config.account === undefined ? [] : [`accounting_group = ${config.account}`]),
    `requirements = ${requirements.map((part) => `(${part})`).join(" && ")}`,
    `periodic_remove = ${over.map((part) => `(${part})`).join(" || ")}`,
    "kill_sig = SIGTERM",
    `job_max_vacate_time = ${VACATE_SECONDS}`,
    `leave_in_queue = (JobStatus == 4) && (time() - EnteredCurrentStatus < ${LINGER_SECONDS})`,
    "queue 1",
  ].join("\n")}\n`;
}

const REQUIREMENTS = /^requirements\s*=\s*/i;

function jobsOf(
  output: CommandOutput,
  read: (ad: Record<string, unknown>) => ListedJob | undefined,
): ListedJob[] | undefined {
  if (output.code !== 0) return undefined;
  if (output.stdout.trim() === "") return [];
  const ads = attributesOf(output.stdout);
  return ads && onceEach(ads.map(read));
}
