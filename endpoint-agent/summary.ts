/** What a heartbeat says of the endpoint, for people. */
import { hostname } from "node:os";
import type { Heartbeat } from "../protocol/messages.ts";
import { slotsOf } from "./block.ts";
import type { Blocks } from "./blocks.ts";
import type { Settings } from "./config.ts";
import type { Interchange } from "./interchange.ts";
import type { Journal } from "./journal.ts";
import { rssMb } from "./rss.ts";

export type SummaryParts = {
  interchange: Interchange;
  blocks: Blocks;
  journal: Journal;
  settings: Settings;
  version: string;
  draining: boolean;
};

/** The endpoint in a few numbers. */
export function summaryOf(parts: SummaryParts): Heartbeat["summary"] {
  const excludedNodes = parts.blocks.excludedNodes();
  const managers = [...parts.interchange.managers].filter((manager) => manager.link);
  return {
    state: parts.draining ? "draining" : "running",
    slots: slotsOf(managers),
    busy: managers.reduce((busy, manager) => busy + Math.min(manager.tasks.size, slotsOf([manager])), 0),
    blocks: parts.blocks.summary(),
    maxBlocks: parts.settings.policy.maxBlocks,
    trouble: parts.journal.trouble ?? parts.blocks.trouble,
    failing: parts.blocks.failing() ?? null,
    ...(excludedNodes.length > 0 ? { excludedNodes } : {}),
    version: parts.version,
    host: hostname(),
    rssMb: rssMb(),
  };
}
