/** The two forms of PBS's `qstat -f`: JSON, which is not always JSON, and text. */
import type { Fields } from "./pbs-states.ts";

/** The jobs of `-F json`; undefined when it cannot be read. No job is an object without `Jobs`. */
export function jobsOfJson(stdout: string): Fields[] | undefined {
  // Above it there may be a banner.
  const begin = stdout.search(/^\{/m);
  if (begin < 0) return undefined;
  let answer: unknown;
  try {
    answer = JSON.parse(stdout.slice(begin));
  } catch {
    return undefined;
  }
  if (!isRecord(answer) || typeof answer.timestamp !== "number" || !("pbs_server" in answer)) return undefined;
  if (!("Jobs" in answer)) return [];
  if (!isRecord(answer.Jobs)) return undefined;
  return Object.entries(answer.Jobs).map(([id, job]) => {
    const field = (name: string) => textOf(isRecord(job) && Object.hasOwn(job, name) ? job[name] : undefined);
    return {
      id,
      name: field("Job_Name"),
      state: field("job_state"),
      exitStatus: field("Exit_status"),
      comment: field("comment"),
      holds: field("Hold_Types"),
    };
  });
}

const NAMES = /^ {4}(Job_Name|job_state|Exit_status|comment|Hold_Types) = (.*)$/;
const TITLE = /^Job Id: (\S+)$/;

/** The jobs of the plain text; undefined when it holds none. Values go on in lines that begin with a tab. */
export function blocksOf(stdout: string): Fields[] | undefined {
  if (!stdout.endsWith("\n")) return undefined;
  const jobs: { id: string; fields: Map<string, string>; doubtful: boolean }[] = [];
  let last: string | undefined;
  for (const line of stdout.split("\n")) {
    const id = TITLE.exec(line)?.[1];
    const job = jobs.at(-1);
    if (id !== undefined) jobs.push({ id, fields: new Map(), doubtful: false });
    else if (job && line.startsWith("\t") && last !== undefined) {
      job.fields.set(last, (job.fields.get(last) ?? "") + line.slice(1));
      continue;
    }
    const [, name, value] = NAMES.exec(line) ?? [];
    last = name;
    if (!job || name === undefined) continue;
    // Twice: lines between two jobs were lost, or a variable with newlines looks like a field.
    if (job.fields.has(name)) job.doubtful = true;
    job.fields.set(name, value as string);
  }
  if (jobs.length === 0) return undefined;
  const times = new Map<string, number>();
  for (const { id } of jobs) times.set(id, (times.get(id) ?? 0) + 1);
  const known = jobs.filter(({ id, doubtful }) => !doubtful && times.get(id) === 1);
  return known.map(({ id, fields }) => ({
    id,
    name: fields.get("Job_Name"),
    state: fields.get("job_state"),
    exitStatus: fields.get("Exit_status"),
    comment: fields.get("comment"),
    holds: fields.get("Hold_Types"),
  }));
}

/** A job that is called 123 comes as a number. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
