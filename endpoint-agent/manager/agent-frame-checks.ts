/**
 * What is wrong with a frame of the agent, if anything is: such a connection is given up, and nothing of the frame is done. Frames
 * of kinds not known here are passed over, as a newer agent may send them.
 */

type Check = (value: unknown) => boolean;
type Fields = Record<string, Check>;

const RUNTIMES: readonly unknown[] = ["javascript", "python", "command"];
const CONTAINERS: readonly unknown[] = ["apptainer", "docker", "podman", "shifter"];
const RESOURCES = ["cores", "memoryMb", "gpus", "nodes", "ranksPerNode"] as const;
const HASH = /^[0-9a-f]{64}$/;

const text: Check = (value) => typeof value === "string";
const truth: Check = (value) => typeof value === "boolean";
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const number: Check = (value) =>
  typeof value === "number" && value >= -Number.MAX_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
const hash: Check = (value) => typeof value === "string" && HASH.test(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const every =
  (check: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (!check(value[i])) return false;
    return true;
  };
const having = (fields: Fields): Check => {
  const list = Object.entries(fields);
  return (value) => {
    if (!isObject(value)) return false;
    for (let i = 0; i < list.length; i++) {
      const [name, check] = list[i] as [string, Check];
      if (!check(value[name])) return false;
    }
    return true;
  };
};
const lease: Check = (value) => Array.isArray(value) && value.length === 2 && text(value[0]) && count(value[1]);
const variables: Check = (value) => isObject(value) && Object.values(value).every(text);
const resources: Check = (value) => isObject(value) && RESOURCES.every((name) => optional(count)(value[name]));
const container = having({ runtime: (value) => CONTAINERS.includes(value), image: text, binds: every(text) });
/** Whether a function's definition can be read. One that cannot is its tasks' trouble, not the connection's. */
export const isDefinition: Check = having({
  runtime: (value) => RUNTIMES.includes(value),
  entry: text,
  code: hash,
  env: optional(variables),
  container: optional(container),
});
const spec = having({
  key: count,
  owner: text,
  function: text,
  env: optional(variables),
  resources: optional(resources),
  timeoutMs: optional(number),
});
const task = having({
  id: text,
  lease: count,
  attempt: count,
  spec: optional(count),
  length: optional(count),
  blob: optional(hash),
  encoding: optional(text),
  hosts: optional(every(text)),
});

const KINDS: ReadonlyMap<string, Fields> = new Map(
  Object.entries({
    welcome: { remainingDeadlineMs: number, keep: every(lease) },
    refused: { reason: text },
    "beat-answer": { sentAt: number, remainingDeadlineMs: number },
    tasks: { specs: every(spec), tasks: every(task) },
    taken: { message: count },
    start: { id: text, lease: count, go: truth },
    cancel: { leases: every(lease) },
    "give-back": { count },
    function: { function: text },
    "function-error": { function: text, code: text, message: text },
    "blob-chunk": { blob: text, offset: count, size: count, end: truth },
    "blob-error": { blob: text, message: text },
    "taken-blob": { blob: text, task: text, lease: count, error: optional(text) },
    watch: { task: text, watch: truth },
  } satisfies Record<string, Fields>),
);

/** Undefined for a frame that may be acted upon. */
export function frameProblem(frame: unknown, body: Uint8Array): string | undefined {
  if (!isObject(frame) || typeof frame.kind !== "string") return "a frame of no kind";
  const { kind } = frame;
  for (const [name, check] of Object.entries(KINDS.get(kind) ?? {})) {
    if (!check(frame[name])) return `a frame ${kind} with another ${name} than there may be`;
  }
  if (kind === "tasks" && !fits(frame as unknown as Batch, body)) {
    return "a frame tasks that does not fit its body or its specs";
  }
  return undefined;
}

type Batch = { specs: unknown[]; tasks: { spec?: number; length?: number; blob?: string }[] };

function fits({ specs, tasks }: Batch, body: Uint8Array): boolean {
  let length = 0;
  for (const entry of tasks) {
    if ((entry.spec ?? 0) >= specs.length) return false;
    if (entry.blob === undefined) length += entry.length ?? 0;
  }
  return length === body.length;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
