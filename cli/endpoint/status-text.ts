/** An endpoint's status as lines. Pure. */
import type { EndpointView } from "../../protocol/endpoint.ts";
import type { Heartbeat } from "../../protocol/messages.ts";
import { type Column, tableLines } from "../output/table.ts";
import { age, count, duration, oneLine } from "../output/text.ts";

type Summary = Heartbeat["summary"];
type Block = Summary["blocks"][number];

export type StatusFacts = {
  view: EndpointView;
  /** the gateway's clock */
  now: number;
  /** lines about its agent's machine */
  where: readonly string[];
  /** why the oldest waiting task waits */
  waits: { task: string; reason: string; message: string } | undefined;
};

/** What other lines say already. */
const SAID = new Set(["endpoint-trouble", "endpoint-offline", "endpoint-never-started", "endpoint-draining"]);

/** Everything that is known of it, the blocks as a table that fits `width`. */
export function statusLines(
  { view, now, where, waits }: StatusFacts,
  options: { width: number | undefined; title?: (text: string) => string },
): string[] {
  const { summary } = view;
  const lines = [
    `${view.name}: ${view.state}, seen ${age(view.lastSeenAt, now)}, epoch ${view.epoch}, id ${view.id}`,
    `tasks: ${count(view.queued)} queued, ${count(view.leased)} handed out, ${count(view.running)} running`,
  ];
  if (waits && !SAID.has(waits.reason)) lines.push(`waits: task ${waits.task}: ${oneLine(waits.message)}`);
  lines.push(...where);
  const next = nextStep(view);
  if (!summary) return next ? [...lines, `next: ${next}`] : lines;
  const stale = view.state === "offline" ? "what it said last" : undefined;
  lines.push(
    `agent: version ${summary.version} on ${oneLine(summary.host)}, ${summary.rssMb} MiB${stale ? `; ${stale}:` : ""}`,
    `blocks: ${blocksLine(summary)}`,
  );
  lines.push(...troubleLines(summary, now));
  if (next) lines.push(`next: ${next}`);
  if (summary.blocks.length > 0) lines.push(...tableLines(summary.blocks, blockColumns(now), options));
  return lines;
}

function nextStep({ name, state, summary }: EndpointView): string | undefined {
  if (state === "offline" || state === "never-started") {
    return `\`farcall endpoint start ${name}\` on its machine starts the agent; what waits, waits until then`;
  }
  // Also the last that is heard of an agent that was stopped.
  if (state === "draining") {
    return `\`farcall endpoint drain --off ${name}\`, or \`farcall endpoint start ${name}\` if its agent was stopped, lets it take work again`;
  }
  if (!summary?.trouble && !summary?.failing) return undefined;
  return `\`farcall endpoint script ${name}\` prints what is submitted; after a change of its configuration \`farcall endpoint restart ${name}\``;
}

function blocksLine({ blocks, maxBlocks, busy, slots }: Summary): string {
  const states = new Map<string, number>();
  for (const { state } of blocks) states.set(state, (states.get(state) ?? 0) + 1);
  const which = [...states].map(([state, number]) => `${number} ${state}`).join(", ");
  const used = slots === 0 ? "" : ` (${Math.round((100 * busy) / slots)} %)`;
  return `${blocks.length} of at most ${maxBlocks}${which === "" ? "" : ` (${which})`}, ${busy} of ${slots} slots busy${used}`;
}

/** What is wrong with the endpoint's blocks and nodes, a line each. */
export function troubleLines({ trouble, failing, excludedNodes = [] }: Summary, now: number): string[] {
  const lines: string[] = [];
  const which = failing?.failures === 1 ? "the last block failed" : `the last ${failing?.failures} blocks failed`;
  const next =
    failing?.nextTryAt && failing.nextTryAt > now ? `; the next try is in ${duration(failing.nextTryAt - now)}` : "";
  if (trouble) lines.push(`trouble: ${oneLine(trouble)}${next}`);
  else if (failing) lines.push(`trouble: ${which}: ${oneLine(failing.reason)}${next}`);
  for (const { node, reason, until } of excludedNodes) {
    const long = until === undefined ? "" : `, for ${duration(Math.max(0, until - now))} more`;
    lines.push(`left out: node ${oneLine(node)}${long}: ${oneLine(reason)}`);
  }
  return lines;
}

function blockColumns(now: number): Column<Block>[] {
  return [
    { title: "BLOCK", value: (block) => block.id, min: 8 },
    { title: "JOB", value: (block) => block.job ?? "-", min: 6 },
    {
      title: "STATE",
      value: (block) => (block.job === null && block.state === "pending" ? "submitting" : block.state),
    },
    { title: "FOR", value: (block) => duration(Math.max(0, now - beganAt(block))) },
    { title: "NODES", value: (block) => block.nodes, align: "right" },
    { title: "BUSY", value: (block) => (block.slots === 0 ? "-" : `${block.busy} of ${block.slots}`), align: "right" },
    { title: "LEFT", value: (block) => (block.endsAt ? duration(Math.max(0, block.endsAt - now)) : "-") },
    { title: "REASON", value: (block) => reasonOf(block) || "-", min: 8 },
  ];
}

/** What waits in the queue waits since it was submitted. */
function beganAt({ state, since, submittedAt }: Block): number {
  return state === "pending" || state === "held" ? (submittedAt ?? since) : since;
}

/** The scheduler's words without the state that they repeat: `PENDING (Priority)` of a pending block is `Priority`. */
export function reasonOf({ state, reason }: Pick<Block, "state" | "reason">): string {
  const words = oneLine(reason ?? "");
  const inner = /^(\w+) \((.*)\)$/.exec(words);
  if (words.toLowerCase() === state) return "";
  return inner?.[1]?.toLowerCase() === state ? (inner[2] ?? "") : words;
}
