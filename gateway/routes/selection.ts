/** Which tasks a request means, from names to ids. */
import { badField } from "../../protocol/batch.ts";
import type { ParsedBodyOf, TaskFilter } from "../../protocol/operations.ts";
import { type Actor, ownerFilter } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import type { TaskQuery, TaskSelection } from "../store/port.ts";

type Parts = Pick<Gateway, "endpoints" | "store">;
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The selection of a cancel, and its words for the audit log. Throws BAD_REQUEST when it selects nothing or two things. */
export async function cancelSelection(
  parts: Parts,
  actor: Actor,
  wanted: ParsedBodyOf<"cancelTasks">,
): Promise<{ selection: TaskSelection; target: string }> {
  const { ids, all, group, function: functionName, endpoint } = wanted;
  const filtered = group !== undefined || functionName !== undefined || endpoint !== undefined;
  if ([ids !== undefined, all === true, filtered].filter(Boolean).length !== 1) {
    throw badField("body", wanted, "either ids, or all: true, or one or more of group, function and endpoint");
  }
  const owner = ownerFilter(actor);
  if (ids) return { selection: { owner, ids }, target: `${ids.length} tasks by id` };
  if (all) return { selection: { owner, all }, target: "all tasks" };
  const filter = await placed(parts, actor, { group, function: functionName, endpoint });
  return { selection: { owner, ...filter }, target: `tasks of ${JSON.stringify(filter)}` };
}

/** The filter of a list or a count, as the store takes it. */
export async function taskQuery(
  parts: Parts,
  actor: Actor,
  filter: TaskFilter,
): Promise<Omit<TaskQuery, "order" | "cursor" | "limit">> {
  const now = Date.now();
  return {
    owner: ownerFilter(actor),
    ...(filter.state ? { states: filter.state } : {}),
    ...(filter.since === undefined ? {} : { sinceMs: timeOf("since", filter.since, now) }),
    ...(filter.until === undefined ? {} : { untilMs: timeOf("until", filter.until, now) }),
    ...(await placed(parts, actor, filter)),
  };
}

/** Reads an age before `now`, Unix milliseconds, or an ISO date. Throws BAD_REQUEST. */
export function timeOf(field: string, text: string, now: number): number {
  const age = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  if (age) return now - Number(age[1]) * (UNIT_MS[age[2] as string] as number);
  const time = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(time)) throw badField(`query.${field}`, text, "an age (90s, 15m, 1h, 7d), Unix ms or an ISO date");
  return time;
}

type Names = { group?: string | undefined; function?: string | undefined; endpoint?: string | undefined };

/** Endpoint names become ids; an unknown one selects nothing, as a filter does, so its text is kept. */
async function placed(
  parts: Parts,
  actor: Actor,
  { group, function: functionName, endpoint }: Names,
): Promise<{ group?: string; function?: string; endpoint?: string }> {
  return {
    ...(group === undefined ? {} : { group }),
    ...(functionName === undefined ? {} : { function: functionName }),
    ...(endpoint === undefined ? {} : { endpoint: (await parts.endpoints.find(actor, endpoint))?.id ?? endpoint }),
  };
}
