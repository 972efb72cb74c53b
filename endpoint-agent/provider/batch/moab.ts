/** Moab over Torque: msub, showq, canceljob. From documents and published answers, not from a run; scripts are Torque's. */

import type { JobState } from "../port.ts";
import type { Dialect, ListedJob } from "./dialect.ts";
import { exitMeaning, TORQUE_VERDICTS } from "./exit-status.ts";
import { lastLine } from "./pbs-script.ts";
import { onceEach } from "./pbs-states.ts";
import { torque, torqueOptions } from "./torque.ts";
import { type Element, parseXml } from "./xml.ts";

export const moab: Dialect = {
  type: "moab",
  nameLength: torque.nameLength,
  directives: (job) =>
    [...torqueOptions(job), ...(job.options.exclusive ? ["-l naccesspolicy=singlejob"] : [])].map(
      (option) => `#PBS ${option}`,
    ),
  submit: () => ["msub"],
  // An empty line comes first. Torque's name for it, behind the point, is not Moab's.
  submitted: ({ stdout }) => lastLine(stdout, /^(?:[A-Za-z]\w*\.)?\d+(?:\.[\w.-]+)?$/)?.replace(/^(\d+)\..*$/, "$1"),
  // Moab knows a job at once, Torque only when it is handed over; and it knows why a job is blocked.
  list: (user) => ["showq", "--xml", "-w", `user=${user}`],
  listed: (output) => (output.code === 0 ? jobsOf(output.stdout) : undefined),
  history: {
    command: (_, user) => ["showq", "-c", "--xml", "-w", `user=${user}`],
    parse: (output) => (output.code === 0 ? jobsOf(output.stdout)?.filter(({ state }) => state === "gone") : undefined),
  },
  cancel: (ids) => [["canceljob", ...ids]],
};

const STATES: Readonly<Record<string, JobState>> = {
  Idle: "pending",
  Migrated: "pending",
  NotQueued: "pending",
  Staging: "pending",
  Staged: "pending",
  Starting: "pending",
  Running: "running",
  Deferred: "held",
  Hold: "held",
  BatchHold: "held",
  SystemHold: "held",
  UserHold: "held",
  Suspended: "held",
  Completed: "gone",
  Removed: "gone",
  Vacated: "gone",
};

/** An empty list still names its queues. */
function jobsOf(stdout: string): ListedJob[] | undefined {
  const data = parseXml(stdout, "Data");
  const queues = data?.children.filter(({ name }) => name === "queue") ?? [];
  if (!data || queues.length === 0 || data.children.some(({ name }) => !KNOWN.has(name))) return undefined;
  if (queues.some(({ children }) => children.some(({ name }) => name !== "job"))) return undefined;
  return onceEach(queues.flatMap(({ children }) => children.map(fromXml)));
}

const KNOWN: ReadonlySet<string> = new Set(["Object", "cluster", "queue"]);

function fromXml({ attributes }: Element): ListedJob | undefined {
  const { JobID: id, JobName: name, State: word, CompletionCode: code } = attributes;
  const state = Object.hasOwn(STATES, word ?? "") ? STATES[word as string] : undefined;
  if (!id || !/^(?:[A-Za-z]\w*\.)?\d+$/.test(id) || !name || !word || !state) return undefined;
  if (state !== "gone") {
    const why = [attributes.BlockReason, attributes.Description].filter(Boolean).join(": ");
    return { id, name, state, reason: why === "" ? word : `${word}: ${why}` };
  }
  const status = /^(?:[A-Z]+\()?(-?\d{1,5})\)?$/.exec(code ?? "")?.[1];
  const { words, ...more } = status === undefined ? NO_STATUS : exitMeaning(Number(status), TORQUE_VERDICTS);
  const cause = word === "Vacated" ? ("preempted" as const) : ("cancelled" as const);
  const taken = word !== "Completed" || code?.startsWith("CNCLD") ? { taken: true as const, cause } : {};
  return { id, name, state, reason: [word, words].filter(Boolean).join(": "), ...more, ...taken };
}

const NO_STATUS = { words: "" };
